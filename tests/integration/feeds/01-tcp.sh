make_pki
start_server
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo "$port" >tcp.port
agent_yaml "$(port_of server grpc)" >agent.yaml
echo "  - {listen: 127.0.0.1:$port, class: default/slow}" >>agent.yaml
sed "s|listen: 127.0.0.1|listen: 0.0.0.0|" agent.yaml >open.yaml
expect_failure 2 'open.yaml:[0-9]+:.*can be reached by others.*allow_remote: true' \
  "$BIN/entropyd-hostagent" --config open.yaml --check-config
sed "s|listen: 127.0.0.1:$port|&, allow_remote: true|; s|listen: 127.0.0.1|listen: 0.0.0.0|" agent.yaml >open.yaml
"$BIN/entropyd-hostagent" --config open.yaml --check-config
start_agent
cat >tcp.py <<'PY'
"""tcp.py PORT [SIGNAL-FILE]: speaks EGD over TCP; with a file, a second time once it is there."""
import os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(10)
def exactly(n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            sys.exit(f"closed after {len(data)} of {n} bytes")
        data += piece
    return data
def draw():
    s.sendall(b"\2\x40" * 16)
    blocks = exactly(1024)
    if len({blocks[i:i + 16] for i in range(0, 1024, 16)}) != 64:
        sys.exit("a block came twice")
draw()
s.sendall(b"\0")
exactly(4)
s.sendall(b"\1\x10")
exactly(exactly(1)[0])
if len(sys.argv) > 2:
    print("waits", flush=True)
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.05)
    draw()
s.settimeout(0.3)
try:
    sys.exit(f"{len(s.recv(100))} bytes more than asked for")
except socket.timeout:
    print("whole")
PY
/usr/bin/python3 tcp.py "$port"
[ "$(metric agent '^entropyd_agent_delivered_bytes_total.class="default/slow"')" -ge 1024 ]
"$BIN/entropyctl" --control "$WORK/agent.sock" status | grep "listener 127.0.0.1:$port -> default/slow" >/dev/null

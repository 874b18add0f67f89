. "$HERE/doctor/vocabulary.sh"
make_pki
chmod 755 "$WORK"
read -r GRPC_PORT HTTP_PORT < <(/usr/bin/python3 -c '
import socket
held = [socket.socket() for _ in range(2)]
for one in held: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))')
# A device, because a pool of software only is a finding.
spawn noise "$BIN/it_faulty_source" "$WORK/noise" noise.control
eventually 10 test -p noise
device="char_device, path: $WORK/noise, group: board, max_rate: 64KiB/s, min_entropy_bits_per_byte: 4"
server_yaml |
  sed -e "s|driver: getrandom|driver: $device|" -e "s|^metrics: .*|metrics: 127.0.0.1:$HTTP_PORT|" \
    -e "s|ca.crt}|ca.crt, crl: $WORK/pki/crl.pem}|" >server.yaml
printf 'max_agents: 100\nmax_connections: 200\nstate_dir: %s\n' "$WORK/server-state" >>server.yaml
mkdir -m 700 server-state
cp server.yaml good.server.yaml
start_server
agent_yaml "$GRPC_PORT" >agent.yaml
echo 'max_guests: 100' >>agent.yaml
cp agent.yaml good.agent.yaml
start_agent
eventually 30 logged agent upstream.attached

locked=$(metric server entropyd_process_memory_locked)
[ "$locked" = 1 ] || die "this machine does not let a process lock its memory: grant CAP_IPC_LOCK"
is_well
grep -q '^ok: agent.servers: localhost:'"$GRPC_PORT"' serves$' doctor.out
grep -q '^ok: server.port: it listens on port '"$GRPC_PORT"'$' doctor.out
doctor -o json | /usr/bin/python3 -c '
import json, sys
said = json.load(sys.stdin)
assert said["findings"] == [] and said["unknown"] == [] and said["fixes"] == [], said
assert [s["service"] for s in said["services"]] == ["server", "agent"], said
assert len(said["passed"]) == 29, said'

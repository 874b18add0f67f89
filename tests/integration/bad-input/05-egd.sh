for _ in 1 2 3; do
  egd egd.sock unknown
  egd egd.sock half
done
egd egd.sock sizes
egd egd.sock split
egd egd.sock pipeline 10000
# A client that asks for much and never reads: it is owed numbers, not memory.
/usr/bin/python3 - "$WORK/egd.sock" <<'PY'
import socket, sys, time
held = []
for _ in range(20):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.setblocking(False)
    try:
        while True:
            s.send(b"\x02\xff" * 2048)
            if len(held) > 10**6: break
            held.append(0)
            if len(held) % 200 == 0: break
    except BlockingIOError:
        sys.exit("the agent stopped reading")
    held.append(s)
time.sleep(0.5)
PY
egd egd.sock read 4096

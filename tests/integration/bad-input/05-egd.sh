for _ in 1 2 3; do
  egd egd.sock unknown
  egd egd.sock half
done
egd egd.sock sizes
egd egd.sock split
egd egd.sock pipeline 10000
# Clients that ask for 100 MB each and never read: the agent reads on, and owes them numbers, not memory.
before=$(memory_of "$(pid_of agent)")
/usr/bin/python3 - "$WORK/egd.sock" <<'PY'
import socket, sys
held = []
for _ in range(20):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    try:
        s.sendall(b"\x02\xff" * 400000)
    except socket.timeout:
        sys.exit("the agent stopped reading")
    held.append(s)
PY
after=$(memory_of "$(pid_of agent)")
[ $((after - before)) -lt 20000 ] || die "the agent grew from $before to $after KiB"
egd egd.sock read 4096

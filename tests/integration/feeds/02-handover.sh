. "$HERE/handover/upgrades.sh"
port=$(cat tcp.port)
spawn held /usr/bin/python3 tcp.py "$port" "$WORK/go"
eventually 10 grep -q waits held.log
before=$(serving_pid)
rm -f agent.ports
ctl agent reload
adopt_pid
differ "$(pid_of agent)" "$before" || die "nothing was reloaded"
touch go
eventually 10 grep -q whole held.log
ends held 5
/usr/bin/python3 tcp.py "$port"
stop agent
start_agent
/usr/bin/python3 tcp.py "$port"

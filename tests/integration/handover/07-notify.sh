# In the place of systemd: a socket that hears what both processes say.
. "$HERE/handover/upgrades.sh"
stop agent
spawn manager /usr/bin/python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "))' "$WORK/notify"
eventually 10 test -S notify
rm -f agent.ports
export NOTIFY_SOCKET=$WORK/notify
start_agent
first=$(pid_of agent)
eventually 5 grep -q "^MAINPID=$first READY=1" manager.log
rm -f agent.ports
kill -USR2 "$first"
adopt_pid
second=$(pid_of agent)
eventually 5 grep -q "^MAINPID=$second READY=1" manager.log
eventually 5 test ! -d "/proc/$first"
# The first one's last word is the barrier behind which it exits; it never said that the service stops.
lacks manager.log STOPPING || die "the service was said to stop"

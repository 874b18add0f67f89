make_pki
start_server
# In the place of systemd: a socket that hears what all agents say.
spawn manager /usr/bin/python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "))' "$WORK/notify"
eventually 10 test -S notify
. "$HERE/handover-steps/steps.sh"
start_managed

. "$HERE/handover/upgrades.sh"
. "$HERE/identity/guests.sh"
port=$(cat tcp.port)
guest held "127.0.0.1:$port" -
draws held 1024
before=$(serving_pid)
rm -f agent.ports
ctl agent reload
adopt_pid
differ "$(pid_of agent)" "$before" || die "nothing was reloaded"
draws held 1024
leave held
[ "$(egd "127.0.0.1:$port" pipeline 16)" = 1024 ]
stop agent
start_agent
[ "$(egd "127.0.0.1:$port" pipeline 16)" = 1024 ]

# Ten thousand connections: descriptors cross in fifty batches.
. "$HERE/handover/upgrades.sh"
stop agent
unset NOTIFY_SOCKET
ulimit -n 10300
echo 'max_guests: 10010' >>agent.yaml
start_agent
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 10000 1 4000
eventually 30 agent_guests_are 10000
sleep 1
mark >/dev/null
for _ in 1 2 3; do
  before=$(pid_of agent)
  rm -f agent.ports
  ctl agent upgrade
  adopt_pid
  differ "$(pid_of agent)" "$before" || die "the old process still serves"
  echo "longest wait around an upgrade with 10,000 connections: $(mark) ms"
done
agent_guests_are 10000
grep -o 'event=handover.taken.*' agent.log | tail -n 3
noticed_nothing watch

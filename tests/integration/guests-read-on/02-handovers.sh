. "$HERE/guests-read-on/vocabulary.sh"
for i in $(seq 5); do
  before=$(pid_of agent)
  begin
  rm -f agent.ports
  if [ $((i % 2)) = 0 ]; then ctl agent upgrade >>upgrades.log; else kill -USR2 "$before"; fi
  adopt_pid
  differ "$(pid_of agent)" "$before" || die "handover $i: the old process still serves"
  resumed "handover $i" 0
done
[ "$(grep -c 'event=handover.taken' agent.log)" = 5 ] || die "not every upgrade was a handover"

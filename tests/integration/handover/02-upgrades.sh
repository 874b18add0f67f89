. "$HERE/handover/upgrades.sh"
for i in $(seq 20); do
  before=$(pid_of agent)
  delivered_has_grown
  mark >/dev/null
  rm -f agent.ports
  if [ $((i % 2)) = 0 ]; then kill -USR2 "$before"; else ctl agent upgrade >>upgrades.log; fi
  adopt_pid
  differ "$(pid_of agent)" "$before" || die "upgrade $i: the old process still serves"
  eventually 5 test ! -d "/proc/$before"
  delivered_has_grown
  sleep 0.3
  mark >>pauses
done
[ "$(grep -c 'event=handover.taken' agent.log)" = 20 ] || die "not every upgrade was a handover"
sort -n pauses | awk '{v[NR] = $1} END {
  printf "longest wait around an upgrade: median %.1f ms, worst of %d %.1f ms\n", v[int((NR + 1) / 2)], NR, v[NR]}'
# For tests/bench.
[ -z "${HANDOVER_PAUSES:-}" ] || cp pauses "$HANDOVER_PAUSES"
sed -n 's/.*event=handover.taken.*pause_ms=\([0-9]*\).*/\1/p' agent.log | sort -n |
  awk '{v[NR] = $1} END {printf "of it without a process: median %d ms, worst %d ms\n", v[int((NR + 1) / 2)], v[NR]}'

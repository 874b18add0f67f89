# Signals that mean nothing to them end neither.
kill -USR1 "$(pid_of agent)"
for signal in USR1 USR2; do kill -$signal "$(pid_of server)"; done
AS=reader ctl get --bytes 16 --class default/gold --hex
ends neighbour 60
grep -q '^4000000 bytes' neighbour.log || die "the neighbour lost bytes: $(cat neighbour.log)"
is_running server && is_running agent || die "somebody died"

eventually 60 has_ended neighbour
grep -q '^4000000 bytes' neighbour.log || die "the neighbour lost bytes: $(cat neighbour.log)"
rm neighbour.pid
is_running server && is_running agent || die "somebody died"

. "$HERE/shy-sources/vocabulary.sh"
stop slow-writer 5 143
eventually 12 is slow GONE
of slow reason | grep 'no byte for 6 s' >/dev/null || die "slow is gone because: $(of slow reason)"
begin_writing slow 2048 2.5
eventually 40 is slow HEALTHY

. "$HERE/guests-read-on/vocabulary.sh"
# The third one stays away for longer than QEMU takes to try again.
for i in 1 2 3; do
  begin
  killed=$(now_ms)
  murder agent
  [ "$i" != 3 ] || sleep 2.3
  start_agent
  back=$(now_ms)
  resumed "kill $i" $((back - killed))
done
# It was the unasked bytes that woke them: QEMU never repeats a request that it had sent.
[ "$(metric agent entropyd_agent_primed_bytes_total)" -ge 128 ] || die "the guests' QEMUs were not primed"

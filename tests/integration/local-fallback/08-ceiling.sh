. "$HERE/local-fallback/vocabulary.sh"
# Two guests want 1280 B/s of a class that has 100 B/s.
local_bytes() { metric agent '^entropyd_agent_local_bytes_total.*thin'; }
delivered() { metric agent '^entropyd_agent_delivered_bytes_total.*thin'; }
has_seed() { [ "$(metric agent '^entropyd_agent_local_ready.class="default/thin"')" = 1 ]; }
spawn thin "$BIN/it_egd_watch" "$WORK/thin.sock" 2 1 100
eventually 20 has_seed
before=$(delivered)
made=$(local_bytes)
end=$((SECONDS + 20))
while [ $SECONDS -lt $end ]; do
  mode_is default/thin upstream || die "a class that waits for its rate is taken for lost"
  sleep 0.2
done
made_now=$(local_bytes)
now=$(delivered)
alike "$made_now" "$made" || die "$made_now bytes of the DRBG, and the server lives"
[ "$now" -gt "$before" ] || die "the class got nothing of its rate"
echo "thin got $((now - before)) bytes in 20 s, all from its server"

kill -STOP "$(pid_of one)" "$(pid_of two)"
eventually 10 mode_is default/thin local
began=$(date +%s%N)
made=$(local_bytes)
is_served() { [ "$(local_bytes)" -ge $((made + 1000)) ]; }
eventually 20 is_served
made_now=$(local_bytes)
now=$(date +%s%N)
bytes=$((made_now - made))
ms=$(((now - began) / 1000000))
echo "thin got $bytes bytes in $ms ms from this host"
# 64 bytes are given at once, and as many may have been due when the clock began.
awk -v b="$bytes" -v ms="$ms" 'BEGIN {exit !(b <= ms / 10 * 1.01 + 128)}' || die "more than the ceiling of the class"
kill -CONT "$(pid_of one)" "$(pid_of two)"
eventually 40 mode_is default/thin upstream
agent_says 'a["connected"]'
noticed_nothing thin

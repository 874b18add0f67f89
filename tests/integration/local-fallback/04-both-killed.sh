. "$HERE/local-fallback/vocabulary.sh"
before=$(metric agent '^entropyd_agent_local_bytes_total.*gold')
from_here agent
murder one
murder two
eventually 8 mode_is default/gold local
eventually 8 mode_is default/slow blocked
sleep 1
expect_failure 3 "default/gold has been served by this host's own DRBG" \
  "$BIN/entropyctl" --control "$WORK/agent.sock" status
expect_failure 3 'guests of class default/slow have waited' "$BIN/entropyctl" --control "$WORK/agent.sock" status
eventually 10 metric_is agent '^entropyd_agent_local_bytes_total.*gold' -gt "$before"
answers="http://127.0.0.1:$(port_of agent http)/readyz"
curl -s "$answers" | grep 'guests of class default/slow wait' >/dev/null ||
  die "/readyz does not tell that guests get nothing"
logged agent 'event=class\.local class=default/gold'
bar "gold without a server" gold 3000
run_server one
run_server two
eventually 40 mode_is default/gold upstream
eventually 10 mode_is default/slow upstream
eventually 10 curl -fsS "$answers"
logged agent 'event=class\.local_ended class=default/gold'
bar "gold when a server is back" gold 1000
echo "slow waited for $(longest slow) ms, and was served"
agent_says 'c["default/gold"]["local_ready"]'  # for the next time

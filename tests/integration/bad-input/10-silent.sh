# A server or an agent that is stopped: entropyctl says soon whom it waits for, and in the end how long it did.
waits() {  # PROGRAM SECONDS COMMAND…
  local who=$1 limit=$2; shift 2
  kill -STOP "$(pid_of "$who")"
  # gRPC gives a connection 20 s, however long the call may take.
  expect_failure 69 "no answer within ${limit}s|given up after 20s" "$@"
  "$@" >silent.out 2>silent.err &
  eventually 5 grep -q "has not answered yet; this waits for ${limit}s at most" silent.err
  kill -CONT "$(pid_of "$who")"
  wait $! || true
}
waits server 10 "$BIN/entropyctl" --config operator.client.yaml pools
waits server 35 "$BIN/entropyctl" --config reader.client.yaml get --bytes 8 --class default/gold
eventually 20 is_ready server
waits agent 5 "$BIN/entropyctl" --control "$WORK/agent.sock" guests
kill -STOP "$(pid_of agent)"
expect_failure 69 'says nothing: its process is stopped' "$BIN/entropyctl" --control "$WORK/agent.sock" guests
kill -CONT "$(pid_of agent)"
eventually 20 is_ready agent
# Of a script nothing but the error is JSON.
expect_failure 69 '^\{"error":' "$BIN/entropyctl" --control "$WORK/nobody.sock" guests -o json

# A server or an agent that is stopped: entropyctl says soon whom it waits for, and in the end how long it did. When it
# goes on in time, the command has its answer.
waits() {  # PROGRAM SECONDS END ANSWER COMMAND…: what it says in the end, and what it answers otherwise
  local who=$1 limit=$2 end=$3 answer=$4 waiting; shift 4
  kill -STOP "$(pid_of "$who")"
  expect_failure 69 "$end" "$@"
  rm -f silent.err
  "$@" >silent.out 2>silent.err &
  waiting=$!
  eventually 5 grep -q "has not answered yet; this waits for ${limit}s at most" silent.err
  kill -CONT "$(pid_of "$who")"
  wait $waiting || die "status $? though $who has gone on: $(cat silent.err)"
  grep -Eq "$answer" silent.out || die "no /$answer/ in: $(cat silent.out)"
}
waits server 10 'no answer within 10s' '^default ' "$BIN/entropyctl" --config operator.client.yaml pools
# gRPC gives a connection 20 s, however long the call may take.
waits server 35 'given up after 20s' '^[0-9a-f]{16}$' \
  "$BIN/entropyctl" --config reader.client.yaml get --bytes 8 --class default/gold --hex
eventually 20 is_ready server
waits agent 5 'no answer within 5s' '^none$' "$BIN/entropyctl" --control "$WORK/agent.sock" guests
kill -STOP "$(pid_of agent)"
expect_failure 69 'says nothing: its process is stopped' "$BIN/entropyctl" --control "$WORK/agent.sock" guests
kill -CONT "$(pid_of agent)"
eventually 20 is_ready agent
# Of a script nothing but the error is JSON.
expect_failure 69 '^\{"error":' "$BIN/entropyctl" --control "$WORK/nobody.sock" guests -o json

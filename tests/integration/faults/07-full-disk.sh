touch not-a-directory
sed "s|$WORK/state|$WORK/not-a-directory/state|; s|$WORK/egd.sock|$WORK/e2.sock|; s|$WORK/slow.sock|$WORK/s2.sock|; s|$WORK/agent.sock|$WORK/a2.sock|" agent.yaml >nostate.yaml
expect_failure 1 'not-a-directory' "$BIN/entropyd-hostagent" --config nostate.yaml
if [ -c /dev/full ]; then
  # Where the ports go is on a full disk: said, not swallowed.
  sed "s|$WORK/state|$WORK/state3|; s|$WORK/egd.sock|$WORK/e2.sock|; s|$WORK/slow.sock|$WORK/s2.sock|; s|$WORK/agent.sock|$WORK/a2.sock|" agent.yaml >full.yaml
  expect_failure 1 '/dev/full' "$BIN/entropyd-hostagent" --config full.yaml --ports-file /dev/full
fi

sed "s|$WORK/agent.sock|$WORK/other.sock|; s|$WORK/state|$WORK/other-state|" agent.yaml >second.yaml
expect_failure 1 'egd.sock: another process listens there' timeout 20 "$BIN/entropyd-hostagent" --config second.yaml
sed "s|$WORK/agent.sock|$WORK/other.sock|; s|/egd.sock|/other-egd.sock|; s|/slow.sock|/other-slow.sock|" \
  agent.yaml >third.yaml
expect_failure 1 "use state_dir $WORK/state: another process uses it" \
  timeout 20 "$BIN/entropyd-hostagent" --config third.yaml
egd egd.sock read 4096

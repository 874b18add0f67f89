sed "s|$WORK/agent.sock|$WORK/other.sock|; s|$WORK/state|$WORK/other-state|" agent.yaml >second.yaml
expect_failure 1 'egd.sock' "$BIN/entropyd-hostagent" --config second.yaml
egd egd.sock read 4096

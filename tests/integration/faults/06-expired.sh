issue old --spiffe spiffe://test/agent/old --expires 1s
sleep 2
sed "s|pki/agent|pki/old|" agent.yaml >old.yaml
expect_failure 2 'old.crt.*expired|expired.*old.crt' "$BIN/entropyd-hostagent" --config old.yaml --check-config

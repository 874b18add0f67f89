make_expired pki/agent.key old.crt
sed "s|$WORK/pki/agent.crt|$WORK/old.crt|" agent.yaml >old.yaml
expect_failure 2 'old.crt.*expired|expired.*old.crt' "$BIN/entropyd-hostagent" --config old.yaml --check-config
sed "s|$WORK/pki/server.crt|$WORK/old.crt|; s|$WORK/pki/server.key|$WORK/pki/agent.key|" server.yaml >oldserver.yaml
expect_failure 2 'old.crt.*expired|expired.*old.crt' "$BIN/entropyd" --config oldserver.yaml --check-config

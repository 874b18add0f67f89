# A certificate that is valid for 0 days is expired a second later.
openssl req -new -key pki/agent.key -subj /CN=old -out old.csr
openssl x509 -req -in old.csr -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 0 -out old.crt 2>/dev/null
sleep 1.1
sed "s|$WORK/pki/agent.crt|$WORK/old.crt|" agent.yaml >old.yaml
expect_failure 2 'old.crt.*expired|expired.*old.crt' "$BIN/entropyd-hostagent" --config old.yaml --check-config
sed "s|$WORK/pki/server.crt|$WORK/old.crt|; s|$WORK/pki/server.key|$WORK/pki/agent.key|" server.yaml >oldserver.yaml
expect_failure 2 'old.crt.*expired|expired.*old.crt' "$BIN/entropyd" --config oldserver.yaml --check-config

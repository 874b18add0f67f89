stop agent
stop server
issue both --spiffe spiffe://test/server --dns localhost --ip 127.0.0.1 --ip ::1
server_yaml | sed 's|^listen: .*|listen: "[::]:0"|; s|server\.crt|both.crt|; s|server\.key|both.key|' >server.yaml
start_server
port=$(port_of server grpc)
for host in 127.0.0.1 '[::1]'; do
  sed "s|^server: .*|server: '$host:$port'|" reader.client.yaml >family.yaml
  bytes=$("$BIN/entropyctl" --config family.yaml get --bytes 32 --class default/gold --raw | wc -c)
  [ "$bytes" = 32 ] || die "over $host: $bytes of 32 bytes"
done
sed 's|^listen: .*|listen: 127.0.0.1|' server.yaml >portless.yaml
expect_failure 2 'portless.yaml:1:.*listen: .*write HOST:PORT' "$BIN/entropyd" --config portless.yaml --check-config
echo 'max_connections: 100' >>server.yaml
expect_failure 2 'max_connections: .*below max_agents .10000.' "$BIN/entropyd" --config server.yaml --check-config

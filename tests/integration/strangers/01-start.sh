make_pki
server_yaml >server.yaml
# Few enough to be used up by one peer; too few to serve anybody.
expect_failure 1 'may open 100 files.*LimitNOFILE=' \
  timeout 20 prlimit --nofile=100:100 "$BIN/entropyd" --config server.yaml
rm -f server.ports
spawn server prlimit --nofile=200:200 "$BIN/entropyd" --config server.yaml --ports-file server.ports
eventually 20 test -s server.ports
for who in agent reader operator; do
  client_yaml "$(port_of server grpc)" $who >"$who.client.yaml"
done
eventually 20 is_ready server
grep -q 'event=server.few_descriptors limit=200 ' server.log || die "the log does not tell that descriptors are few"
start_agent
egd egd.sock read 65536
. "$HERE/strangers/vocabulary.sh"
eventually 20 handshakes_are 0

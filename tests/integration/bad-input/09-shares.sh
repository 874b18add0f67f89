# One identity takes its share of what all share, and is told so; another one notices nothing.
stop agent
stop server
{ server_yaml | sed 's|ceil: 64KiB/s|ceil: 17KiB/s|'; echo "max_gets_per_identity: 2"; } >server.yaml
expect_failure 2 'max_in_flight_per_identity: .*more than max_in_flight' "$BIN/entropyd" --check-config --config \
  <(cat server.yaml; echo "max_in_flight_per_identity: 65MiB")
expect_failure 2 'max_connections_per_identity: below max_streams_per_identity .16.' "$BIN/entropyd" --check-config \
  --config <(cat server.yaml; echo "max_connections_per_identity: 15")
start_server
agent_yaml "$(port_of server grpc)" >agent.yaml
start_agent
for i in 1 2; do
  spawn "get$i" "$BIN/entropyctl" --config "$WORK/reader.client.yaml" get --bytes 32768 --class default/slow --hex
done
wait_for_both() { [ "$(metric server '^entropyd_get_waiting')" = 2 ]; }
eventually 20 wait_for_both
AS=reader expect_failure 1 '2 calls of spiffe://test/reader/r1 wait \(max_gets_per_identity\)' \
  ctl get --bytes 32 --class default/gold --hex
[ "$(metric server '^entropyd_denials_total.*gets_per_identity')" = 1 ] || die "the denial is not counted"
AS=agent ctl get --bytes 32 --class default/gold --hex >/dev/null
egd egd.sock read 65536
for i in 1 2; do
  ends "get$i" 30
  [ "$(grep -Ex '[0-9a-f]+' "get$i.log" | tr -d '\n' | wc -c)" = 65536 ] ||
    die "get$i got no 32 KiB: $(head -c 200 "get$i.log")"
done
AS=reader ctl get --bytes 32 --class default/gold --hex >/dev/null

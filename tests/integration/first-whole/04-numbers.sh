ctl status | grep 'default/gold' >/dev/null
ctl status -o json | /usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)'
ctl sources | grep kernel >/dev/null
ctl pools | grep default >/dev/null
ctl classes | grep gold >/dev/null
ctl agents | grep spiffe://test/agent/h1 >/dev/null
eventually 10 metric_is agent 'entropyd_agent_delivered_bytes_total.*default/gold' -ge $((65536 + 640000))
eventually 10 metric_is server 'entropyd_class_delivered_bytes_total.*class="gold"' -ge $((65536 + 640000 + 100000))
eventually 10 metric_is agent 'entropyd_agent_upstream_connected' = 1
AS=agent expect_failure 1 'denied|DENIED' ctl agents

# What any gRPC tool asks: health and reflection, behind the same mutual TLS.
"$BIN/it_grpc_probe" "localhost:$(port_of server grpc)" pki/reader.crt pki/reader.key pki/ca.crt >probe.txt
for line in 'health: SERVING' entropyd.v1.Entropy entropyd.v1.Admin grpc.health.v1.Health; do
  grep -qx "$line" probe.txt || die "no '$line' in $(cat probe.txt)"
done
# The HTTP port.
for path in healthz readyz metrics; do
  curl -fsS "http://127.0.0.1:$(port_of server http)/$path" >/dev/null
  curl -fsS "http://127.0.0.1:$(port_of agent http)/$path" >/dev/null
done

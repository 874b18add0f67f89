make_pki
start_server
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo "$port" >tcp.port
agent_yaml "$(port_of server grpc)" >agent.yaml
echo "  - {listen: 127.0.0.1:$port, class: default/slow}" >>agent.yaml
sed "s|listen: 127.0.0.1|listen: 0.0.0.0|" agent.yaml >open.yaml
expect_failure 2 'open.yaml:[0-9]+:.*can be reached by others.*allow_remote: true' \
  "$BIN/entropyd-hostagent" --config open.yaml --check-config
sed "s|listen: 127.0.0.1:$port|&, allow_remote: true|; s|listen: 127.0.0.1|listen: 0.0.0.0|" agent.yaml >open.yaml
"$BIN/entropyd-hostagent" --config open.yaml --check-config
start_agent
[ "$(egd "127.0.0.1:$port" pipeline 16)" = 1024 ]
egd "127.0.0.1:$port" split
egd "127.0.0.1:$port" sizes
[ "$(egd "127.0.0.1:$port" bits)" -ge 0 ]
[ "$(egd "127.0.0.1:$port" nonblock 16)" -le 16 ]
eventually 10 metric_is agent '^entropyd_agent_delivered_bytes_total.class="default/slow"' -ge 1024
"$BIN/entropyctl" --control "$WORK/agent.sock" status | grep "listener 127.0.0.1:$port -> default/slow" >/dev/null

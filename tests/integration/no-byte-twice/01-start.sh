make_pki
start_server
spawn proxy "$BIN/it_killing_proxy" "$WORK/proxy.ports" "$(port_of server grpc)" 200 3000
eventually 10 test -s proxy.ports
agent_yaml "$(port_of proxy grpc)" >agent.yaml
start_agent

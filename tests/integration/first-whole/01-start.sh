make_pki
{ server_yaml; echo 'log: {level: debug}'; } >server.yaml
"$BIN/entropyd" --config server.yaml --check-config | grep 'configuration OK' >/dev/null
start_server
{ agent_yaml "$(port_of server grpc)"; echo 'log: {level: debug}'; } >agent.yaml
"$BIN/entropyd-hostagent" --config agent.yaml --check-config | grep 'configuration OK' >/dev/null
start_agent
eventually 20 is_ready agent

expect_failure 1 'may open 50 files.*LimitNOFILE=' timeout 20 prlimit --nofile=50:50 \
  "$BIN/entropyd-hostagent" --config agent-good.yaml
start_server
# One process stands for many guests here.
{ agent_yaml "$(port_of server grpc)"; echo "max_connections_per_guest: 64"; } >agent.yaml
start_agent
eventually 20 is_ready agent
spawn neighbour /usr/bin/python3 "$HERE/egd_client.py" "$WORK/egd.sock" read 4000000

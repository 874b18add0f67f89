make_pki
start_server
agent_yaml "$(port_of server grpc)" >agent.yaml
cat >>agent.yaml <<YAML
  - {path: $WORK/leaving.sock, mode: "0600", class: default/slow}
defaults: {buffer: 64KiB}
YAML
start_agent
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 128 4 100
eventually 10 egd egd.sock read 4096

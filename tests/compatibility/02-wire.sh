# Either agent with either server.
for pair in "old new" "new old"; do
  read -r agent server <<<"$pair"
  server_of "$server"
  sed -i "s|^servers: .*|servers: [\"localhost:$(port_of server grpc)\"]|" agent.yaml
  agent_of "$agent"
  eventually 20 egd egd.sock read 65536
  egd slow.sock read 512
  AS=reader ctl get --bytes 32 --class default/gold --hex
  ctl status
  ctl agents
  stop agent
  stop server
done

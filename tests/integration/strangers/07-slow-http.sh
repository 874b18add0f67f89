. "$HERE/strangers/vocabulary.sh"
stop server
server_yaml | sed 's|^metrics: .*|metrics: "[::]:0"|' >server.yaml
start_server
agent_yaml "$(port_of server grpc)" | sed 's|^metrics: .*|metrics: "[::]:0"|' >agent.yaml
start_agent
egd egd.sock read 4096
for who in server agent; do
  port=$(port_of $who http)
  PORT=$port strangers slow 1000 127.0.0.1 slow
  for round in 1 2 3 4 5; do
    for host in 127.0.0.1 '[::1]'; do
      for path in healthz readyz metrics; do
        curl -fsS --max-time 2 "http://$host:$port/$path" >/dev/null || die "$who: /$path does not answer at $host"
      done
    done
    sleep 0.5
  done
  gone slow >/dev/null
  [ "$(metric $who '^entropyd_http_refused_total')" -gt 0 ] || die "$who: nobody had to give way"
done
reader_is_served
egd egd.sock read 4096
stop agent
stop server

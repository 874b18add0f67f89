# The vocabulary of the suites that reload the server.

# One stream of the agent, and eight that ask for 4 KiB each 20 ms.
start_load() {
  start_agent
  spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 16 4 100
  spawn streams "$BIN/it_stall_watch" streams.control "localhost:$(port_of server grpc)" \
    pki/agent.crt pki/agent.key pki/ca.crt default/gold 8 4096 20
  eventually 10 test -p streams.control
  eventually 10 egd egd.sock read 4096
  streams_are 9 || eventually 10 streams_are 9
  answered start
}
streams_are() { [ "$(metric server '^entropyd_attach_streams_total')" = "$1" ]; }
# answered NAME: how long the streams waited since the last time. They must have been served.
answered() {
  local lines
  lines=$(wc -l <streams.log)
  put streams.control "$1"
  eventually 10 longer_than streams.log "$lines"
  tail -n 1 streams.log
  tail -n 1 streams.log | grep "^$1: .* answers=[1-9]" >/dev/null || die "the streams got nothing"
}
longer_than() { [ "$(wc -l <"$1")" -gt "$2" ]; }

# nobody_noticed: every stream is still the first one, and nothing was lost.
nobody_noticed() {
  is_running streams || die "a stream ended: $(tail -n 1 streams.log)"
  streams_are 9 || die "somebody had to attach again"
  [ "$(metric server '^entropyd_attach_lost_unconfirmed_bytes_total')" = 0 ]
  [ "$(metric server '^entropyd_attach_violations_total')" = 0 ]
  [ "$(metric agent '^entropyd_agent_upstream_reconnects_total')" = 0 ]
}

# storm N: so many reloads. What the process holds afterwards is what it held after the first twenty.
storm() {
  local server threads descriptors memory now
  server=$(pid_of server)
  /usr/bin/python3 "$HERE/server-reload/storm.py" "$server" server.yaml server.log 20 1
  threads=$(ls "/proc/$server/task" | wc -l)
  descriptors=$(ls "/proc/$server/fd" | wc -l)
  memory=$(memory_of "$server")
  answered before >/dev/null
  /usr/bin/python3 "$HERE/server-reload/storm.py" "$server" server.yaml server.log "$1" 2
  answered storm
  # gRPC's own threads come and go with its load.
  now=$(ls "/proc/$server/task" | wc -l)
  [ "$now" -le $((threads + 4)) ] || die "$now threads, and before the storm $threads"
  now=$(ls "/proc/$server/fd" | wc -l)
  [ "$now" -le $((descriptors + 4)) ] || die "$now descriptors, and before the storm $descriptors"
  now=$(memory_of "$server")
  echo "memory: $memory KiB before, $now KiB after"
  [ "$now" -le $((memory + 16384)) ] || die "$now KiB, and before the storm $memory KiB"
}

. "$HERE/strangers/vocabulary.sh"
# stuck NAME: a pipe that is full, and that nobody reads.
stuck() {
  mkfifo "$1"
  exec 9<>"$1"
  fill "$1"
}
fill() {  # PIPE
  expect_failure 1 'Resource temporarily unavailable' dd if=/dev/zero of="$1" oflag=nonblock bs=4096 count=1000
}
# with_stderr NAME PIPE command…
with_stderr() { local name=$1; shift; spawn "$name" bash -c 'pipe=$1; shift; exec "$@" 2<>"$pipe"' _ "$@"; }
stuck server.stuck
rm -f server.ports agent.ports
server_yaml >server.yaml
with_stderr server server.stuck "$BIN/entropyd" --config server.yaml --ports-file server.ports
eventually 20 test -s server.ports
eventually 20 is_ready server
for who in reader operator; do client_yaml "$(port_of server grpc)" $who >"$who.client.yaml"; done
exec 9<&-
stuck agent.stuck
agent_yaml "$(port_of server grpc)" >agent.yaml
with_stderr agent agent.stuck "$BIN/entropyd-hostagent" --config agent.yaml --ports-file agent.ports
exec 9<&-
eventually 20 test -s agent.ports
egd egd.sock read 4096
# Denied calls, and guests that speak no EGD.
for i in $(seq 20); do
  AS=reader expect_failure 1 'PERMISSION_DENIED' ctl drain
  /usr/bin/python3 -c '
import socket; s = socket.socket(socket.AF_UNIX); s.connect("egd.sock"); s.send(b"\xff"); s.recv(9)'
done
reader_is_served
healthy
curl -fsS "http://127.0.0.1:$(port_of agent http)/healthz" >/dev/null || die "the agent's /healthz is not 200"
egd egd.sock read 4096
# Somebody reads again, and gets what waited, in order; a flood of one kind is a line.
for who in server agent; do
  timeout 3 cat $who.stuck | tr -d '\000' >$who.read || [ $? = 124 ]
done
grep -q 'event=server.listening ' server.read || die "the server's first lines are lost"
grep -q 'event=agent.started ' agent.read || die "the agent's first lines are lost"
# few FILE PATTERN: there is such a line, and not one for each event.
few() {
  local lines
  lines=$(grep -c "$2" "$1" || [ $? = 1 ])
  { [ "$lines" -ge 1 ] && [ "$lines" -le 3 ]; } || die "$lines lines of 20 events in $1: $2"
}
few server.read 'event=agent.denied .*reason=role'
few agent.read 'event=guest.unknown_command'
[ "$(metric server '^entropyd_log_dropped_lines_total')" = 0 ] || die "lines were dropped that had room"
# A full pipe does not hold up the end either.
for who in server agent; do
  fill $who.stuck
done
stop agent
stop server 7

. "$HERE/strangers/vocabulary.sh"
# agent_of NAME: a second agent, beside the suite's own.
agent_of() {
  issue "$1" --spiffe "spiffe://test/agent/$1"
  agent_yaml "$(port_of server grpc)" |
    sed -e "s|pki/agent\.|pki/$1.|g; s|agent\.sock|$1.sock|; s|/state|/$1-state|" \
      -e "s|egd\.sock|$1-egd.sock|; s|slow\.sock|$1-slow.sock|" >"$1.yaml"
  spawn "$1" "$BIN/entropyd-hostagent" --config "$1.yaml" --ports-file "$1.ports"
  eventually 20 test -s "$1.ports"
  egd "$1-egd.sock" read 4096
}
attached_are() { [ "$(metric server '^entropyd_agents ')" = "$1" ]; }
# gone_in_time COUNT: so many agents are left two seconds after the file has changed.
gone_in_time() {
  local changed took
  changed=$(date +%s%N)
  eventually 5 attached_are "$1"
  took=$((($(date +%s%N) - changed) / 1000000))
  echo "gone after $took ms"
  [ $took -le 2000 ] || die "gone after $took ms"
}
server_yaml | sed "s|ca\.crt}|ca.crt, crl: $WORK/pki/crl.pem}|" >server.yaml
: >server.log
start_server
agent_yaml "$(port_of server grpc)" >agent.yaml
start_agent
egd egd.sock read 4096
agent_of stolen
agent_of moved
eventually 10 attached_are 3
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 16 4 100

"$BIN/entropyctl" pki revoke --dir pki --cert pki/stolen.crt
gone_in_time 2
eventually 5 grep -q 'UNAUTHENTICATED: Attach: the certificate of spiffe://test/agent/stolen is revoked' stolen.log
[ "$(metric server '^entropyd_shut_out_total')" = 1 ] || die "the metric does not count who was shut out"

# A new policy, and what a reload does not take.
sed "s|spiffe://test/agent/\*|spiffe://test/agent/h1|; s|^sources:|state_dir: $WORK/server-state\nsources:|" \
  server.yaml >server.new
mv server.new server.yaml
gone_in_time 1
eventually 5 grep -q 'PERMISSION_DENIED: .*no policy rule gives spiffe://test/agent/moved the role agent' moved.log
eventually 5 grep -q 'event=server.needs_restart key=state_dir' server.log
expect_failure 3 'except for these keys, which need a restart: state_dir$' ctl reload
stop stolen
stop moved

# Bad files change nothing, and everybody is told.
cp server.yaml good.yaml
echo 'nonsense: 1' >>server.yaml
failed_is() { [ "$(metric server '^entropyd_reload_failed ')" = "$1" ]; }
eventually 5 failed_is 1
expect_failure 2 "server.yaml:[0-9]+:1: unknown key 'nonsense'" ctl reload
grep -q "event=server.reload_failed .*unknown key 'nonsense'" server.log
expect_failure 3 "server's configuration on disk is not in use: .*nonsense" ctl status
AS=reader expect_failure 1 'PERMISSION_DENIED|permission denied' ctl reload
cp good.yaml server.yaml
eventually 5 failed_is 0

# A renewed certificate, and SIGHUP.
issue renewed --spiffe spiffe://test/server --dns localhost --ip 127.0.0.1 --days 7
mv pki/renewed.key pki/server.key
mv pki/renewed.crt pki/server.crt
kill -HUP "$(pid_of server)"
ends_soon() {
  [ "$(metric server '^entropyd_certificate_expiry_timestamp_seconds')" -lt $(($(date +%s) + 8 * 86400)) ]
}
eventually 5 ends_soon
eventually 5 failed_is 0
reader_is_served
[ "$(metric server '^entropyd_attach_streams_total')" = 3 ] || die "an agent that may stay had to attach again"
noticed_nothing watch
stop agent
stop server

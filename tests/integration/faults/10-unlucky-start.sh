# Without a certificate that can be used the agent opens its sockets, says why it waits, and attaches when the files are
# there: first none, then one without its key, then half of one.
mkdir unlucky
agent_yaml "$(port_of server grpc)" |
  sed -e "s|\.sock|-unlucky.sock|; s|/state$|/state-unlucky|; s|$WORK/pki/agent|$WORK/unlucky/tls|g" >unlucky.yaml
mkdir state-unlucky
: >state-unlucky/host_id
spawn unlucky "$BIN/entropyd-hostagent" --config "$WORK/unlucky.yaml" --ports-file "$WORK/unlucky.ports"
eventually 10 test -S egd-unlucky.sock
eventually 10 test -s unlucky.ports
grep -q 'event=certificate.unusable .*unlucky/tls.crt' unlucky.log || die "the log does not say what is wrong"
grep -q 'event=state.empty path=[^ ]*/state-unlucky/host_id' unlucky.log || die "the log does not name the empty file"
says() {
  "$BIN/entropyctl" --control "$WORK/agent-unlucky.sock" status >unlucky.status || [ $? = 3 ] || return
  grep -Eq "$1" unlucky.status
}
says "certificate cannot be used: .*unlucky/tls.crt" || die "status does not say what is wrong"
[ "$(curl -s -o unlucky.ready -w '%{http_code}' "http://127.0.0.1:$(port_of unlucky http)/readyz")" = 503 ] ||
  die "it counts as ready"
# A reload gives up nothing that works, so it wants a certificate that can be used.
expect_failure 2 'unlucky/tls.crt' "$BIN/entropyctl" --control "$WORK/agent-unlucky.sock" agent reload
cp pki/agent.crt unlucky/tls.crt
eventually 10 says "certificate cannot be used: .*unlucky/tls.key"
head -c 300 pki/agent.crt >unlucky/tls.crt
cp pki/agent.key unlucky/tls.key
eventually 10 says "certificate cannot be used: .*unlucky/tls.crt.*PEM"
alike "$(pid_of unlucky)" "$(pgrep -f "^$BIN/entropyd-hostagent --config $WORK/unlucky.yaml")" ||
  die "it was restarted"
cp pki/agent.crt unlucky/tls.crt
eventually 30 grep -q upstream.attached unlucky.log
egd egd-unlucky.sock read 1000
is_ready unlucky
stop unlucky

# Addresses that this machine does not have yet keep no guest from a socket. 192.0.2.1 is for documentation.
agent_yaml "$(port_of server grpc)" |
  sed -e "s|\.sock|-early.sock|; s|/state$|/state-early|; s|^metrics: .*|metrics: 192.0.2.1:9744|" >early.yaml
echo '  - {listen: "192.0.2.1:7744", allow_remote: true, class: default/gold}' >>early.yaml
spawn early "$BIN/entropyd-hostagent" --config "$WORK/early.yaml"
eventually 30 grep -q upstream.attached early.log
egd egd-early.sock read 1000
eventually 10 grep -q 'event=agent.doors_closed .*192.0.2.1:9744' early.log
grep -q 'event=listener.waiting path=192.0.2.1:7744 .*remedy=' early.log || die "the log does not name the listener"
early() { "$BIN/entropyctl" --control "$WORK/agent-early.sock" status; }
expect_failure 3 'does not answer HTTP: open `metrics`: listen on 192.0.2.1:9744' early
expect_failure 3 'no guest can connect at 192.0.2.1:7744: .*no such address' early
stop early

# The server waits likewise; nobody would be let in without its certificate.
mkdir late
server_yaml | sed "s|^listen: .*|listen: 127.0.0.1:0|; s|$WORK/pki/server|$WORK/late/tls|g" >late.yaml
expect_failure 2 'late/tls.crt' "$BIN/entropyd" --config late.yaml --check-config
spawn late "$BIN/entropyd" --config "$WORK/late.yaml" --ports-file "$WORK/late.ports"
eventually 10 grep -q 'event=server.waiting reason=.*late/tls.crt' late.log
cp pki/server.crt late/tls.crt
eventually 10 grep -q 'event=server.waiting reason=.*late/tls.key' late.log
cp pki/server.key late/tls.key
eventually 10 test -s late.ports
eventually 20 is_ready late
stop late
# Who waits can be told to end.
rm late/tls.key
spawn later "$BIN/entropyd" --config "$WORK/late.yaml"
eventually 10 grep -q 'event=server.waiting reason=.*late/tls.key' later.log
stop later

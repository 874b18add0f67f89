# Without a certificate that can be used the agent opens its sockets, says why it waits, and attaches when the files are
# there: first none, then half of one, then a whole one without its key.
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
  "$BIN/entropyctl" --control "$WORK/agent-unlucky.sock" status >unlucky.status || true
  grep -Eq "$1" unlucky.status
}
says "certificate cannot be used: .*unlucky/tls.crt" || die "status does not say what is wrong"
[ "$(curl -s -o unlucky.ready -w '%{http_code}' "http://127.0.0.1:$(port_of unlucky http)/readyz")" = 503 ] ||
  die "it counts as ready"
# A reload gives up nothing that works, so it wants a certificate that can be used.
expect_failure 2 'unlucky/tls.crt' "$BIN/entropyctl" --control "$WORK/agent-unlucky.sock" agent reload
head -c 300 pki/agent.crt >unlucky/tls.crt
eventually 10 says "certificate cannot be used: .*unlucky/tls.crt.*PEM"
cp pki/agent.crt unlucky/tls.crt
eventually 10 says "certificate cannot be used: .*unlucky/tls.key"
alike "$(pid_of unlucky)" "$(pgrep -f "^$BIN/entropyd-hostagent --config $WORK/unlucky.yaml")" ||
  die "it was restarted"
cp pki/agent.key unlucky/tls.key
eventually 30 grep -q upstream.attached unlucky.log
egd egd-unlucky.sock read 1000
curl -fsS "http://127.0.0.1:$(port_of unlucky http)/readyz"
stop unlucky

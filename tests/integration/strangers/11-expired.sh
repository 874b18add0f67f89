. "$HERE/strangers/vocabulary.sh"
# short_lived NAME SECONDS: an agent's certificate that expires so soon. The time of its end goes to NAME.end.
short_lived() {
  local end=$(($(date +%s) + $2))
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "pki/$1.key" -subj "/CN=$1" \
    -out "$1.csr" 2>/dev/null
  : >"$1.index"
  cat >"$1.cnf" <<CNF
[ca]
default_ca = short
[short]
database = $WORK/$1.index
new_certs_dir = $WORK
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[extensions]
subjectAltName = URI:spiffe://test/agent/$1
extendedKeyUsage = clientAuth
CNF
  openssl ca -batch -notext -config "$1.cnf" -extensions extensions -in "$1.csr" -out "pki/$1.crt" \
    -cert pki/ca.crt -keyfile pki/ca.key -startdate "$(date -u -d @$((end - 3600)) +%Y%m%d%H%M%SZ)" \
    -enddate "$(date -u -d @$end +%Y%m%d%H%M%SZ)" 2>"$1.ca.log" || die "$(cat "$1.ca.log")"
  echo $end >"$1.end"
}
attached_are() { [ "$(metric server '^entropyd_agents ')" = "$1" ]; }
connections_are() { [ "$(metric server '^entropyd_connections ')" = "$1" ]; }
# No HTTP/2 connection of entropyctl's lingers then.
port=$(port_of server grpc)
agent_yaml "$port" >agent.yaml
start_agent
egd egd.sock read 4096
eventually 20 attached_are 1
eventually 20 connections_are 1
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 16 4 100
short_lived short 12
agent_yaml "$port" | sed -e "s|pki/agent\.|pki/short.|g; s|agent\.sock|short.sock|; s|/state|/short-state|" \
  -e "s|egd\.sock|short-egd.sock|; s|slow\.sock|short-slow.sock|" >short.yaml
spawn short "$BIN/entropyd-hostagent" --config short.yaml --ports-file short.ports
eventually 10 attached_are 2
[ "$(date +%s)" -lt "$(cat short.end)" ] || die "this machine is too slow: the certificate has expired already"
eventually 20 grep -q 'UNAUTHENTICATED: Attach: the certificate of spiffe://test/agent/short expired at' short.log
eventually 5 connections_are 1
now=$(date +%s)
end=$(cat short.end)
late=$((now - end))
echo "gone $late s after the end"
[ $late -le 3 ] || die "gone $late s after the end"
attached_are 1 || die "the agent whose certificate is good is gone"
[ "$(metric server '^entropyd_shut_out_total')" = 1 ] || die "it is not counted"
grep -q 'event=agent.detached identity=spiffe://test/agent/short .*expired at' server.log || die "it is not logged"
stop short
noticed_nothing watch
stop agent
stop server

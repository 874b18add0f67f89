. "$HERE/identity/guests.sh"
. "$HERE/handover/upgrades.sh"
refused() { metric agent '^entropyd_agent_class_refused_total'; }
before=$(refused)
guest vault "$WORK/known.sock" secret
draws vault 1000
is vault class default/gold || die "vault is served in $(field vault class)"
is vault class_refused default/secret
AS=agent ctl guests | grep 'vault .*default/gold (refused: default/secret)' >/dev/null
[ "$(refused)" = $((before + 1)) ]
grep -q 'guest.class_refused.*default/secret.*policy' agent.log

rm -f agent.ports
AS=agent ctl agent upgrade
adopt_pid
eventually 10 is vault class default/gold
draws vault 500
is vault delivered 1500

# The server allows it: the same connection goes on in its own class.
id=$(field vault id)
GRPC_PORT=$(port_of server grpc)
stop server
GRPC_PORT=$GRPC_PORT server_yaml | sed 's|"default/slow"\]|"default/slow", "default/secret"]|' >server.yaml
start_server
eventually 30 is vault class default/secret
is vault class_refused ''
is vault id "$id" || die "the connection is another one"
draws vault 700
[ "$(guest_metric 'delivered_bytes_total.*guest="vault".*class="default/secret"')" = "700 1" ]
leave vault

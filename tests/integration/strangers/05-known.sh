. "$HERE/strangers/vocabulary.sh"
eventually 60 handshakes_are 0
[ "$(metric server '^entropyd_attach_streams_total')" = 1 ] || die "the agent had to attach again"
# The agent's connection, and perhaps a reader's that is just being closed.
few() { [ "$(metric server '^entropyd_connections ')" = 1 ]; }
eventually 20 few

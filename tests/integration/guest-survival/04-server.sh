. "$HERE/guest-survival/vocabulary.sh"
begin
stopped=$(now_ms)
GRPC_PORT=$(port_of server grpc)
export GRPC_PORT
server_yaml >server.yaml
stop server
start_server
# The agent tries again on its own; guests that the buffer does not last for wait until it has.
eventually 10 curl -fsS "http://127.0.0.1:$(port_of agent http)/readyz"
resumed "server restart" $(($(now_ms) - stopped))
for guest in "${GUESTS[@]}"; do is_running "$guest" || die "guest $guest has ended"; done

. "$HERE/guests-read-on/vocabulary.sh"
begin
GRPC_PORT=$(port_of server grpc)
export GRPC_PORT
server_yaml >server.yaml
stop server
start_server
# Buffer and the host's own generator bridge the absence, however long the agent takes to be back.
resumed "server restart" 0
for guest in "${GUESTS[@]}"; do is_running "$guest" || die "guest $guest has ended"; done

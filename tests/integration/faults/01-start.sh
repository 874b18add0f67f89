make_pki
GRPC_PORT=$(/usr/bin/python3 -c '
import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server_yaml | sed "s|^listen: .*|listen: 127.0.0.1:$GRPC_PORT|" >server.yaml
start_server
start_agent
egd egd.sock read 65536

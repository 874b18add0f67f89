# A DNS server that takes questions and says nothing, while the server's name is in /etc/hosts.
DNS=127.53.$((RANDOM % 256)).$((1 + RANDOM % 254))
PORT=$(port_of server grpc)
spawn silent-dns /usr/bin/python3 -uc '
import socket, sys
dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
dns.bind((sys.argv[1], 53))
print("listens")
while True:
    dns.recv(4096)
    print("asked")' "$DNS"
eventually 5 grep -q listens silent-dns.log
echo "nameserver $DNS" >resolv.conf
echo '127.0.0.1 localhost entropy.test' >hosts
echo 'hosts: files dns' >nsswitch.conf
spawn names unshare --mount --propagation private bash -euc '
  for file in resolv.conf hosts nsswitch.conf; do mount --bind "$1/$file" "/etc/$file"; done
  touch "$1/names-made"
  exec sleep infinity' _ "$WORK"
eventually 5 test -e names-made
by_name() { nsenter --target "$(pid_of names)" --mount timeout 8 "$@"; }
sed "s|localhost:$PORT|entropy.test:$PORT|; s|^tls: {|&server_name: localhost, |" reader.client.yaml >byname.client.yaml
get() {
  by_name env "$@" "$BIN/entropyctl" --config "$WORK/byname.client.yaml" get --bytes 32 --class default/gold --hex
}
get X=
[ "$(grep -c asked silent-dns.log)" = 0 ] || die "DNS was asked for a name that is in /etc/hosts"
# Who sets gRPC's variable has what it says. And this shows that the DNS server is there, and silent.
expect_failure 124 '' get GRPC_DNS_RESOLVER=ares
grep -q asked silent-dns.log || die "c-ares did not ask DNS: this step tests nothing"

agent_yaml "$PORT" |
  sed -e "s|localhost:$PORT|entropy.test:$PORT|; s|^tls: {|&server_name: localhost, |" \
    -e "s|\.sock|-byname.sock|; s|/state$|/state-byname|" >byname.yaml
spawn byname nsenter --target "$(pid_of names)" --mount \
  "$BIN/entropyd-hostagent" --config "$WORK/byname.yaml" --ports-file "$WORK/byname.ports"
eventually 10 grep -q upstream.attached byname.log
egd egd-byname.sock read 1000
stop byname
stop names 5 143
stop silent-dns 5 143

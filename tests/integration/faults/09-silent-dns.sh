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
eventually 5 grep -q "127.0.0.1:$PORT" state-byname/addresses.yaml
stop byname

# The name is gone, and DNS is silent: the agent goes where it was, whoever answers there has to prove the name.
asked() { grep -c asked silent-dns.log || [ $? = 1 ]; }
before=$(asked)
by_name bash -c 'echo "127.0.0.1 localhost" >/etc/hosts'
spawn byaddress nsenter --target "$(pid_of names)" --mount \
  "$BIN/entropyd-hostagent" --config "$WORK/byname.yaml" --ports-file "$WORK/byname.ports"
eventually 30 grep -q upstream.attached byaddress.log
grep -q "upstream.by_address server=entropy.test:$PORT addresses=127.0.0.1:$PORT" byaddress.log
grep -q 'look up the name entropy.test: the resolver has not answered within 6s' byaddress.log
egd egd-byname.sock read 1000
[ "$(asked)" -gt "$before" ] || die "nobody asked DNS: this step tests nothing"
stop byaddress
# The server has no certificate for the name itself.
sed 's|server_name: localhost, ||' byname.yaml >unproven.yaml
spawn unproven nsenter --target "$(pid_of names)" --mount \
  "$BIN/entropyd-hostagent" --config "$WORK/unproven.yaml" --ports-file "$WORK/byname.ports"
eventually 20 grep -q 'upstream.ended.*TLS: .*Peer name entropy.test is not in peer certificate' unproven.log
stop unproven
# Where it was is not known: status, log and entropyctl say that it is the name.
rm state-byname/addresses.yaml
spawn nameless nsenter --target "$(pid_of names)" --mount \
  "$BIN/entropyd-hostagent" --config "$WORK/byname.yaml" --ports-file "$WORK/byname.ports"
eventually 20 grep -q 'upstream.ended.*UNAVAILABLE: name: look up the name entropy.test: ' nameless.log
expect_failure 3 'name: look up the name entropy.test: .*getent ahosts' \
  "$BIN/entropyctl" --control "$WORK/agent-byname.sock" status
stop nameless
# Whoever gives up first, this library or gRPC's, says what failed.
expect_failure 69 'name: (look up the name|DNS resolution failed for) entropy.test' \
  nsenter --target "$(pid_of names)" --mount "$BIN/entropyctl" --config "$WORK/byname.client.yaml" pools
stop names 5 143
stop silent-dns 5 143

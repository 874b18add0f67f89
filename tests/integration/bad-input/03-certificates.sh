port=$(port_of server grpc)
# knock [CERTIFICATE [VERSION]]: what the server says to a peer with that certificate of pki/ (none: without one)
# that begins to speak HTTP/2: "heard", "closed", or an alert.
knock() {
  /usr/bin/python3 - "$port" "$@" <<'PY'
import socket, ssl, sys
port, certificate, version = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "TLSv1_3"
context = ssl.create_default_context(cafile="pki/ca.crt")
context.set_alpn_protocols(["h2"])
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
if certificate:
    context.load_cert_chain(f"pki/{certificate}.crt", f"pki/{certificate}.key")
try:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            # The preface of HTTP/2, and empty settings. Theirs come first.
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            print("heard" if tls.recv(9)[3:4] == b"\4" else "closed")
except ssl.SSLError as error:
    print(error.reason or error)
PY
}
# refused REASON CERTIFICATE [VERSION]: such a peer is not heard, and the log tells why.
refused() {
  local said
  from_here server
  said=$(knock "${@:2}")
  differ "$said" heard || die "the server hears: ${*:2}"
  eventually 5 logged server "event=tls\.refused reason=\"$1"
}
[ "$(knock reader)" = heard ] || die "TLS 1.3 with a certificate is refused: $(knock reader)"
refused 'unsupported protocol' reader TLSv1_2
refused 'peer did not return a certificate' ""
make_expired pki/reader.key pki/expired.crt
cp pki/reader.key pki/expired.key
refused 'certificate verify failed' expired

"$BIN/entropyctl" pki init --dir "$WORK/stranger" --name STRANGER
"$BIN/entropyctl" pki issue --dir "$WORK/stranger" --name reader --spiffe spiffe://test/reader/r1
cp stranger/reader.crt pki/stranger.crt
cp stranger/reader.key pki/stranger.key
refused 'certificate verify failed' stranger
# And the other way round: an authority that the client does not know.
sed "s|$WORK/pki/reader|$WORK/stranger/reader|g; s|$WORK/pki/ca.crt|$WORK/stranger/ca.crt|" reader.client.yaml \
  >stranger.client.yaml
AS=stranger expect_failure 69 'another CA' ctl get --bytes 16 --class default/gold --hex

denials() { metric server '^entropyd_denials_total'; }
issue nobody --spiffe spiffe://test/nobody
before=$(denials)
client_yaml "$port" nobody >nobody.client.yaml
AS=nobody expect_failure 1 'PERMISSION_DENIED|permission denied' ctl get --bytes 16 --class default/gold --hex

# Who is refused is counted and named.
[ "$(denials)" -gt "$before" ] || die "denials are not counted"
grep -q 'spiffe://test/nobody' server.log || die "a denial is not in the log"

# A server that is called otherwise than dialled.
issue elsewhere --spiffe spiffe://test/server --dns elsewhere.test
sed "s|pki/server\.|pki/elsewhere.|g" server.yaml >elsewhere.yaml
spawn elsewhere "$BIN/entropyd" --config elsewhere.yaml --ports-file "$WORK/elsewhere.ports"
eventually 20 test -s elsewhere.ports
elsewhere=$(port_of elsewhere grpc)
client_yaml "$elsewhere" reader >elsewhere.client.yaml
AS=elsewhere expect_failure 69 'another name: .*--server-name' ctl get --bytes 16 --class default/gold --hex
sed "s|^tls: {|&server_name: elsewhere.test, |" elsewhere.client.yaml >called.client.yaml
gives() { AS=called ctl get --bytes 16 --class default/gold --hex; }
eventually 20 gives
stop elsewhere

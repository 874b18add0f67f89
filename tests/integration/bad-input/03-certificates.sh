port=$(port_of server grpc)
tls="-connect 127.0.0.1:$port -alpn h2 -CAfile pki/ca.crt"
with="-cert pki/reader.crt -key pki/reader.key"
# TLS 1.3 with a certificate works; TLS 1.2 is refused; without a certificate nothing can be drawn.
openssl s_client $tls $with -tls1_3 </dev/null >tls13.txt 2>&1 || true
grep -q 'Verify return code: 0' tls13.txt || die "TLS 1.3 refused: $(tail -n 5 tls13.txt)"
if openssl s_client $tls $with -tls1_2 </dev/null >tls12.txt 2>&1; then die "TLS 1.2 accepted"; fi
grep -Eqi 'alert|protocol' tls12.txt || die "TLS 1.2: $(tail -n 3 tls12.txt)"

"$BIN/entropyctl" pki init --dir "$WORK/stranger" --name STRANGER
"$BIN/entropyctl" pki issue --dir "$WORK/stranger" --name reader --spiffe spiffe://test/reader/r1
sed "s|$WORK/pki/reader|$WORK/stranger/reader|g" reader.client.yaml >stranger.client.yaml
AS=stranger expect_failure 69 'certificate|UNAVAILABLE|unavailable|handshake' \
  ctl get --bytes 16 --class default/gold --hex

issue nobody --spiffe spiffe://test/nobody
client_yaml "$port" nobody >nobody.client.yaml
AS=nobody expect_failure 1 'denied|DENIED' ctl get --bytes 16 --class default/gold --hex

# An agent that nobody knows is refused on the record, and tries again by itself.
[ "$(metric server 'entropyd_denials_total')" -ge 1 ] || die "denials are not counted"
grep -q 'spiffe://test/nobody' server.log || die "a denial is not in the log"

# A server that calls itself otherwise than dialled.
sed "s|server: localhost|server: 127.0.0.2|" reader.client.yaml >elsewhere.client.yaml
AS=elsewhere expect_failure 69 '.' ctl get --bytes 16 --class default/gold --hex

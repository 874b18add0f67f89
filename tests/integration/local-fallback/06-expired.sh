. "$HERE/local-fallback/vocabulary.sh"
# An agent certificate that lives for six seconds.
mkdir short
touch short/index
echo 1000 >short/serial
cat >short/ca.cnf <<CNF
[ca]
default_ca = short
[short]
new_certs_dir = $WORK/short
database = $WORK/short/index
serial = $WORK/short/serial
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectAltName = URI:spiffe://test/agent/h1
CNF
openssl req -new -key tls/tls.key -subj /CN=agent -out short/agent.csr
end=$(date -u -d '+6 seconds' +%Y%m%d%H%M%SZ)
openssl ca -batch -notext -config short/ca.cnf -cert pki/ca.crt -keyfile pki/ca.key \
  -in short/agent.csr -out short/agent.crt \
  -startdate "$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)" -enddate "$end" >short/log 2>&1 || die "$(cat short/log)"
from_here agent
cp short/agent.crt tls/new
mv tls/new tls/tls.crt
eventually 5 logged agent 'event=certificate\.renewed'
eventually 10 logged agent 'event=certificate\.expired'
agent_says 'a["connected"]'  # a stream outlives its certificate
primary=$(attached_name)
murder "$primary"
eventually 10 agent_says '"expired" in a["last_error"] and not a["connected"]'
agent_says '"tls.crt expired at" in a["certificate_problem"]'
eventually 10 mode_is default/gold local
expect_failure 3 "the agent's certificate cannot be used: .*tls.crt expired at" \
  "$BIN/entropyctl" --control "$WORK/agent.sock" status
began=$(date +%s%N)
cp pki/agent.crt tls/new
mv tls/new tls/tls.crt
eventually 10 agent_says 'a["connected"]'
echo "attached $((($(date +%s%N) - began) / 1000000)) ms after the certificate was renewed"
eventually 10 mode_is default/gold upstream
agent_says 'a.get("certificate_problem", "") == ""'
bar "gold with an expired certificate" gold 3000
run_server "$primary"

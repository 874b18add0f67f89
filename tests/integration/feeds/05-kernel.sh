stop agent
stop server
sed -i 's|^policy:|  - {name: pure, quality: full, sources: [kernel], classes: [{name: seed, rate: 10KiB/s}]}\n&|
  s|"default/slow"\]|"default/slow", "pure/seed"]|' server.yaml
start_server
sed -i "s|^servers:.*|servers: [\"localhost:$(port_of server grpc)\"]|" agent.yaml
cp agent.yaml unfed.yaml
fed() { metric agent "^entropyd_agent_kernel_feed_$1"; }
reaches() { [ "$(fed "$1")" -ge "$2" ]; }
start_fed() {  # class credit_bits, and what to start the agent with
  { cat unfed.yaml; echo "feed_kernel: {class: $1, bytes: 48B, every: 1s, credit_bits: $2}"; } >agent.yaml
  shift 2
  rm -f agent.ports agent.log
  spawn agent "$@" "$BIN/entropyd-hostagent" --config agent.yaml --ports-file agent.ports
  eventually 20 test -s agent.ports
}

# For nothing, then with a claim that a drbg pool cannot back.
start_fed default/gold 0
eventually 5 reaches bytes_total 96
find "/proc/$(pid_of agent)/fd" -lname /dev/urandom | grep . >/dev/null || die "the kernel's device is not open"
[ "$(fed credited_bits_total)" = 0 ]
stop agent
start_fed default/gold 384
eventually 5 reaches bytes_total 96
[ "$(fed credited_bits_total)" = 0 ] || die "bytes of a drbg pool were credited"
grep -q 'kernel_feed.not_credited.*not of quality full' agent.log
stop agent

# Of quality full: the kernel takes the claim.
start_fed pure/seed 384
eventually 10 reaches credited_bits_total 768
[ "$(fed failures_total)" = 0 ] || die "$(fed failures_total) failures"
reaches bytes_total 96
stop agent

# Without CAP_SYS_ADMIN it refuses; it is told once, and the bytes go in without credit.
start_fed pure/seed 384 setpriv --bounding-set=-sys_admin
eventually 10 reaches bytes_total 144
[ "$(fed credited_bits_total)" = 0 ] || die "credited without the capability"
reaches 'failures_total.what="credit"' 2
[ "$(grep -c 'kernel_feed.not_credited.*Operation not permitted.*CAP_SYS_ADMIN' agent.log)" = 1 ] ||
  die "$(grep kernel_feed agent.log)"
stop agent
expect_failure 2 'credit_bits: 385 bits are more than 48 bytes hold' \
  "$BIN/entropyd-hostagent" --check-config --config <(sed 's/credit_bits: 384/credit_bits: 385/' agent.yaml)
cp unfed.yaml agent.yaml
start_agent

for tool in rngtest ent; do
  command -v $tool >/dev/null || die "no $tool here; run deploy/install-packages.sh test"
done
make_pki
drbg_sources=kernel
rdrand=
if grep -qw rdrand /proc/cpuinfo; then
  drbg_sources=kernel,cpu
  rdrand='  - {name: cpu, driver: rdrand}'
else
  echo "NOTE: no RDRAND here: the kernel alone feeds both pools"
fi
# The kernel is credited what its health tests assume, so that quality full has something to give.
cat >server.yaml <<YAML
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
allow_software: true
sources:
  - {name: kernel, driver: getrandom, max_rate: 16MiB/s, min_entropy_bits_per_byte: 4}
$rdrand
pools:
  - name: drbg
    quality: drbg
    sources: [$drbg_sources]
    classes:
      - {name: all, rate: 1GiB/s}
  - name: full
    quality: full
    sources: [kernel]
    capacity: 4MiB
    classes:
      - {name: all, rate: 1GiB/s}
policy:
  - {identity: "spiffe://test/reader/*", role: reader, allow: ["drbg/*", "full/*"]}
  - {identity: "spiffe://test/operator/*", role: operator}
YAML
start_server
both_ready() { [ "$(metric server '^entropyd_pool_ready')" = 2 ]; }
eventually 20 both_ready

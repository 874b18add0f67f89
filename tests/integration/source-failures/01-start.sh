. "$HERE/source-failures/vocabulary.sh"
make_pki
cat >server.yaml <<YAML
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
allow_software: true
sources:
  - {name: device, driver: char_device, path: $WORK/device, group: board, max_rate: 64KiB/s,
     min_entropy_bits_per_byte: $MIN_ENTROPY, health_min_entropy_bits_per_byte: $MIN_ENTROPY}
  - {name: kernel, driver: getrandom, group: kernel, min_entropy_bits_per_byte: 4}
pools:
  - name: default
    sources: [device, kernel]
    reseed_interval: 1s
    classes: [{name: root, rate: 100MiB/s}, {name: gold, parent: root, rate: 10MiB/s}]
  - name: lone
    quality: full
    sources: [device]
    capacity: 4KiB
    classes: [{name: all, rate: 1MiB/s}, {name: key, parent: all, rate: 1MiB/s}]
policy:
  - {identity: "spiffe://test/agent/*", role: agent, allow: ["*/*"]}
  - {identity: "spiffe://test/reader/*", role: reader, allow: ["*/*"]}
  - {identity: "spiffe://test/operator/*", role: operator}
YAML
start_everything

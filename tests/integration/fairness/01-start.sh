. "$HERE/fairness/vocabulary.sh"
make_pki >/dev/null
for name in left right; do
  spawn $name "$BIN/it_faulty_source" "$WORK/$name" $name.control
  eventually 5 test -p $name.control
done
cat >server.yaml <<YAML
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
allow_software: true
sources:
  - {name: kernel, driver: getrandom}
  - {name: left, driver: char_device, path: $WORK/left, group: left, max_rate: 32KiB/s, min_entropy_bits_per_byte: 4}
  - {name: right, driver: char_device, path: $WORK/right, group: right, max_rate: 32KiB/s, min_entropy_bits_per_byte: 4}
pools:
  - name: default
    quality: drbg
    sources: [kernel]
    classes:
      - {name: root, rate: 512KiB/s, ceil: 1MiB/s}
      - {name: tenant, parent: root, rate: 320KiB/s, weight: 2}
      - {name: gold, parent: tenant, rate: 128KiB/s, weight: 3}
      - {name: weighed, parent: tenant, rate: 64KiB/s, weight: 1, member_weight: guests}
      - {name: even, parent: tenant, rate: 64KiB/s, weight: 1}
      - {name: bulk, parent: root, rate: 128KiB/s, ceil: 160KiB/s, weight: 1}
      - {name: quiet, parent: root, rate: 64KiB/s, weight: 1}
  - name: scarce
    quality: full
    sources: [left, right]
    capacity: 4KiB
    classes:
      - {name: all, rate: 18KiB/s}
      - {name: x, parent: all, rate: 12KiB/s, weight: 1}
      - {name: y, parent: all, rate: 6KiB/s, weight: 3}
policy:
  - {identity: "spiffe://test/agent/*", role: agent, allow: ["*/*"], max_weight: 256}
  - {identity: "spiffe://test/operator/*", role: operator}
YAML
start_server
for host in 1 2 3 4; do start_host $host; done

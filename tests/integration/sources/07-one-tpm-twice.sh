. "$HERE/sources/vocabulary.sh"
# In a mount namespace of its own the kernel's word on what is behind /dev/hwrng is another one.
[ "$(id -u)" = 0 ] && own=(unshare -m) || own=(unshare -rm)
checked_where_hwrng_is() {  # GENERATOR TPM: a pool of /dev/hwrng and that TPM asks for two groups
  cat >twice.yaml <<YAML
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
sources:
  - {name: kernel, driver: char_device, path: /dev/hwrng, group: one}
  - {name: chip, driver: tpm2, tcti: "device:/dev/$2", group: two}
pools:
  - {name: default, sources: [kernel, chip], min_healthy_groups: 2, classes: [{name: root, rate: 1KiB/s}]}
policy:
  - {identity: "spiffe://test/operator/*", role: operator}
  - {identity: "spiffe://test/agent/*", role: agent, allow: ["default/*"]}
YAML
  "${own[@]}" bash -c 'mount -t tmpfs none /sys/class/misc && mkdir /sys/class/misc/hw_random || exit 99
    echo "$1" >/sys/class/misc/hw_random/rng_current; shift; exec "$@"' _ "$1" \
    "$BIN/entropyd" --config twice.yaml --check-config
}
expect_failure 2 '2 groups, but the credited sources form 1' checked_where_hwrng_is tpm-rng-0 tpm0
expect_failure 2 '2 groups, but the credited sources form 1' checked_where_hwrng_is tpm-rng-0 tpmrm0
# Two chips are two, and so is a generator that is no TPM's.
checked_where_hwrng_is tpm-rng-1 tpmrm0 | grep 'configuration OK' >/dev/null || die "another TPM counts as the same"
checked_where_hwrng_is intel-rng tpmrm0 | grep 'configuration OK' >/dev/null || die "no TPM counts as one"

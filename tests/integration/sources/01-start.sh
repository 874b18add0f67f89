. "$HERE/sources/vocabulary.sh"
for tool in swtpm softhsm2-util; do
  command -v $tool >/dev/null || die "no $tool here; run deploy/install-packages.sh test"
done
make_pki

# The EGD daemon: an agent, and the entropyd that feeds it.
server_yaml >upstream.yaml
spawn upstream "$BIN/entropyd" --config upstream.yaml --ports-file "$WORK/upstream.ports"
eventually 20 test -s upstream.ports
agent_yaml "$(port_of upstream grpc)" >agent.yaml
start_agent

mkdir tpm tokens
start_swtpm
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORK/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$WORK/softhsm2.conf
softhsm2-util --init-token --free --label entropy --so-pin 12345678 --pin 12345678 >softhsm2-util.log

sources=(
  '{name: tpm, driver: tpm2, tcti: "swtpm:path='"$WORK"'/tpm/socket"}'
  '{name: hsm, driver: pkcs11, module: /usr/lib/softhsm/libsofthsm2.so, token: entropy}'
  "{name: egd, driver: egd, path: $WORK/egd.sock}"
  '{name: jitter, driver: jitter}'
  "{name: far, driver: upstream, address: 'localhost:$(port_of upstream grpc)', class: default/secret,\
 tls: {cert: $WORK/pki/reader.crt, key: $WORK/pki/reader.key, ca: $WORK/pki/ca.crt}}"
)
for instruction in rdrand rdseed; do
  if grep -qw $instruction /proc/cpuinfo; then
    sources+=("{name: $instruction, driver: $instruction}")
  else
    echo "NOTE: the kernel lists no $instruction here: left out"
  fi
done
if [ -r /dev/hwrng ] && timeout 5 head -c 16 /dev/hwrng >hwrng.sample 2>/dev/null && [ -s hwrng.sample ]; then
  sources+=('{name: hwrng, driver: char_device, path: /dev/hwrng}')
else
  echo "NOTE: /dev/hwrng gives nothing here: left out"
fi
names=$(printf '%s\n' "${sources[@]}" | sed 's/^{name: \([a-z0-9]*\),.*/\1/' | paste -sd, -)
printf '  - %s\n' "${sources[@]}" >source.lines
server_yaml | sed -e '/^allow_software/d' -e '/driver: getrandom/d' \
  -e '1i allow_recording: true' -e "1i audit_log: $WORK/audit.log" \
  -e "s/sources: \[kernel\]/sources: [$names]/" -e '/^sources:/r source.lines' >server.yaml
start_server
eventually 40 all_healthy

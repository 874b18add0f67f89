. "$HERE/shy-sources/vocabulary.sh"
command -v softhsm2-util >/dev/null || die "no softhsm2-util here; run deploy/install-packages.sh test"
make_pki
mkfifo -m 600 slow flapping
mkdir tokens
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORK/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$WORK/softhsm2.conf
softhsm2-util --init-token --free --label entropy --so-pin 12345678 --pin 4711-right >softhsm2-util.log
echo 4711-wrong >pin
chmod 400 pin

cat >source.lines <<YAML
  - {name: slow, driver: char_device, path: $WORK/slow, silence: 6s}
  - {name: flapping, driver: char_device, path: $WORK/flapping}
  - {name: hsm, driver: pkcs11, module: /usr/lib/softhsm/libsofthsm2.so, token: entropy, pin_file: $WORK/pin}
YAML
server_yaml | sed -e '/^sources:/r source.lines' \
  -e '/^pools:/a\  - {name: shy, sources: [slow, flapping, hsm], classes: [{name: all, rate: 1MiB/s}]}' \
  -e 's|allow: \["default/\*"\]|allow: ["*/*"]|' >server.yaml
refused() {  # PATTERN SED-EXPRESSION…: server.yaml changed like this
  local pattern=$1; shift
  sed "$@" server.yaml >changed.yaml
  expect_failure 2 "$pattern" "$BIN/entropyd" --config changed.yaml --check-config
}
"$BIN/entropyd" --config server.yaml --check-config | grep 'configuration OK' >/dev/null
refused 'silence.*1s' 's/silence: 6s/silence: 10ms/'
refused 'slow is a FIFO.*remove the key' 's/silence: 6s/init: "text:START"/'
refused 'driver pkcs11 takes no init' 's|pin_file: [^}]*|init: "text:START"|'
chmod 622 slow
refused 'everybody may write .*/slow' ''
chmod 600 slow
chmod 444 pin
refused 'everybody may read .*/pin' ''
chmod 400 pin
start_server

# Whatever keeps a thread of the server for ever, the server ends: a security module whose destructor waits for the
# call that hangs, and a device whose read(2) does not return, also when the start fails after the source has begun.
hung_yaml() {  # SOURCE-LINE
  echo "  - {name: hung, $1}" >hung.line
  server_yaml | sed -e "s|^listen: .*|listen: 127.0.0.1:0|" -e '/^sources:/r hung.line' \
    -e 's|sources: \[kernel\]|sources: [kernel, hung]|'
}
hung_yaml "driver: pkcs11, module: $BIN/it_hanging_library.so, token: entropy" >module.yaml
spawn module "$BIN/entropyd" --config "$WORK/module.yaml"
eventually 20 grep -q 'event=source.gone source=hung .*has not answered' module.log
stop module
grep -q 'event=server.stopped' module.log || die "its last line is not in the log"

mkfifo -m 600 stuck
hung_yaml "driver: char_device, path: $WORK/stuck" >device.yaml
# hung NAME ARGUMENT…: the server, with a device that lets nobody go.
hung() {
  local name=$1; shift
  spawn "$name" env LD_PRELOAD="$BIN/it_hanging_library.so" STUCK_FIFO="$WORK/stuck" "$BIN/entropyd" "$@"
}
exec 3<>stuck
# fails NAME PATTERN: it has ended with status 1, and says both why and who was left behind.
fails() {
  local status
  status=$(exit_status "$1")
  [ "$status" = 1 ] || die "$1 ended with status $status"
  grep -q "^entropyd: .*$2" "$1.log" || die "$1 does not say why it failed"
  grep -q 'event=source.hangs source=hung' "$1.log" || die "$1 had no source that hangs"
}
hung device --config "$WORK/device.yaml" --ports-file "$WORK/device.ports"
eventually 20 test -s device.ports
stop device
grep -q 'event=source.hangs source=hung' device.log || die "the device did not hang"
hung no-file --config "$WORK/device.yaml" --ports-file "$WORK/none/ports"
fails no-file "none/ports"
sed "s|^metrics: .*|metrics: 127.0.0.1:$(port_of server http)|" device.yaml >taken.yaml
hung taken --config "$WORK/taken.yaml"
fails taken "listen on 127.0.0.1:$(port_of server http)"
exec 3<&-

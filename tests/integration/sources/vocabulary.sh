# What the steps of this suite say beyond lib.sh. Sourced.
start_swtpm() {
  rm -f "$WORK/tpm/socket" "$WORK/tpm/socket.ctrl"
  spawn swtpm swtpm socket --tpm2 --tpmstate "dir=$WORK/tpm" --server "type=unixio,path=$WORK/tpm/socket" \
    --ctrl "type=unixio,path=$WORK/tpm/socket.ctrl" --flags not-need-init,startup-clear --log file=/dev/null
  eventually 10 test -S "$WORK/tpm/socket.ctrl"
}
ask() { ctl sources -o json | /usr/bin/python3 "$HERE/sources/sources.py" "$@"; }
all_healthy() { ask all-healthy; }
# Somebody who draws gets what was asked for, within 2 s.
served() {
  local bytes begun=$SECONDS
  bytes=$(AS=reader ctl get --bytes 4096 --class default/gold --raw | wc -c)
  [ "$bytes" = 4096 ] || die "a client was given $bytes of 4096 bytes"
  [ $((SECONDS - begun)) -le 2 ] || die "a client waited $((SECONDS - begun)) s"
}

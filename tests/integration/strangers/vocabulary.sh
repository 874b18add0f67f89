# What the steps of this suite say. It stands on lib.sh.

# strangers NAME COUNT ADDRESS KIND: opens connections, and waits until all were tried. To the door, or to PORT.
strangers() {
  spawn "$1" /usr/bin/python3 "$HERE/strangers/connections.py" 127.0.0.1 "${PORT:-$(port_of server grpc)}" "$2" \
    --from "$3" --send "$4"
  eventually 60 grep -q '^open [1-9]' "$WORK/$1.log"
}
# gone NAME: ends them; prints how many were still open.
gone() {
  local pid
  pid=$(pid_of "$1")
  kill -TERM "$pid"
  eventually 30 test ! -d "/proc/$pid"
  rm "$WORK/$1.pid"
  awk '$1 == "open" {open = $2; n++} $1 == "closed" {closed = $2; n++}
    END {if (n != 2) exit 1; print open - closed}' "$WORK/$1.log" ||
    die "$1 does not say how many connections were open and closed"
  rm "$WORK/$1.log"
}
reader_is_served() {
  local bytes
  bytes=$(AS=reader ctl get --bytes 4096 --class default/gold --raw | wc -c)
  [ "$bytes" = 4096 ] || die "a reader got $bytes of 4096 bytes"
}
healthy() { curl -fsS "http://127.0.0.1:$(port_of server http)/healthz" >/dev/null || die "/healthz is not 200"; }
handshakes_are() { [ "$(metric server '^entropyd_handshakes_open')" = "$1" ]; }

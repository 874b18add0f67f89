# Requests of a full pool that is empty wait for its source, or are told to come again.
draw() {  # POOL
  local asked=0 had=0
  : >"$1"
  while [ "$had" -lt 10000000 ]; do
    [ $((asked += 1)) -le 200 ] || die "pool $1 gave $had bytes after $asked requests"
    AS=reader ctl get --bytes $((10000000 - had)) --class "$1/all" --raw >>"$1" 2>>draw.log || sleep 0.1
    had=$(stat -c %s "$1")
  done
}
draw drbg
draw full

# What the steps of this suite say beyond lib.sh. Sourced.
#
# `device` is the generator that fails, `watch` the clients of the pool that has another source
# too, `lone` those of the pool that rests on `device` alone. Each obeys lines in NAME.control and
# answers in NAME.log.
MIN_ENTROPY=4       # bits per byte that server.yaml credits and tests `device` with
READ=64             # bytes that driver char_device reads at once
STARTUP=4096        # bytes of start-up tests: 1024 samples of 32 bits

tell() {  # NAME LINE: has it done, and prints the answer
  local before limit=$((SECONDS + 5))
  before=$(wc -l <"$1.log")
  put "$1.control" "$2"
  until [ "$(wc -l <"$1.log")" -gt "$before" ]; do
    [ $SECONDS -lt $limit ] || die "$1 does not answer '$2'"
    sleep 0.01
  done
  tail -n 1 "$1.log"
}
# figure KEY: of an answer on standard input. It must be there.
figure() { sed -n "s/.* $1=\([0-9][0-9]*\).*/\1/p" | grep .; }

of() {  # sources|pools NAME FIELD: as entropyctl says
  ctl "$1" -o json | /usr/bin/python3 -c '
import json, sys
(listed,) = json.load(sys.stdin).values()
print(next(one for one in listed if one["name"] == sys.argv[1])[sys.argv[2]])' "$2" "$3"
}
device_is() { [ "$(of sources device state)" = "SOURCE_STATE_$1" ]; }
lone_is_ready() { [ "$(of pools lone ready)" = True ]; }
lone_is_suspended() { [ "$(of pools lone ready)" = False ]; }
lone_gives() { [ "$(tell lone look | figure bytes)" -gt 0 ]; }

start_everything() {
  spawn device "$BIN/it_faulty_source" "$WORK/device" device.control
  eventually 5 test -p device.control
  start_server
  start_clients
  # Since when credit is counted, and the start-up tests passed since then.
  echo 0 >base.good
  echo 0 >base.credited
  echo 1 >passed
}
start_clients() {
  local credentials=(pki/agent.crt pki/agent.key pki/ca.crt)
  spawn watch \
    "$BIN/it_stall_watch" watch.control "localhost:$(port_of server grpc)" "${credentials[@]}" default/gold 8 4096 20
  spawn lone "$BIN/it_stall_watch" lone.control "localhost:$(port_of server grpc)" "${credentials[@]}" lone/key 2 256 50
  eventually 10 test -p watch.control
  eventually 10 test -p lone.control
  eventually 20 lone_gives
}

# The device is sound, both pools are ready; what clients waited for until now is told elsewhere.
begin() {
  device_is HEALTHY || die "the device is $(of sources device state) before anything was done to it"
  tell device count | figure bad >bad
  tell watch before >/dev/null
}

# Everybody of the pool with another source was served. How long one waited has a bar: 100 ms, or twice what they waited
# in a quiet time of this very run.
nobody_waited() {
  local answer longest bar
  answer=$(tell watch "$1")
  longest=$(figure longest_ms <<<"$answer")
  bar=$(cat baseline)
  bar=$((2 * bar))
  [ $bar -ge 100 ] || bar=100
  echo "   $answer"
  waited "a client while the device is $1" "$longest" $bar
  [ "$(figure answers <<<"$answer")" -gt 0 ] || die "nobody drew anything"
  lacks server.log 'event=pool.suspended pool=default' || die "the pool with another source was suspended"
}

# At most so many bad bytes were taken when the device was left alone.
taken_bad() {
  local bad before
  before=$(cat bad)
  bad=$(tell device count | figure bad)
  bad=$((bad - before))
  echo "   $bad bad bytes taken, $1 allowed"
  [ $bad -le "$1" ] || die "the device was read on for $bad bad bytes"
}

# No byte was credited but good ones after a passed start-up (4 bits each), and ALLOWED more.
credited_good_ones_only() {
  local credited good bits bytes credited_before good_before starts
  credited_before=$(cat base.credited)
  good_before=$(cat base.good)
  starts=$(cat passed)
  credited=$(of sources device credited_bits)
  credited=${credited%.*}
  good=$(tell device count | figure good)  # afterwards: it may go on
  bits=$((credited - credited_before))
  bytes=$((good - good_before - STARTUP * starts + ${1:-0}))
  echo "   $bits bits credited, $((MIN_ENTROPY * bytes)) allowed"
  [ $bits -le $((MIN_ENTROPY * bytes)) ] || die "more was credited than good bytes were taken"
  echo "$credited" >base.credited.now
  echo "$good" >base.good.now
}
# The same of a device that is not read any more: what it gave and is not credited yet never will be,
# so that the next such look is exact again.
credited_good_ones_only_and_is_left_alone() {
  credited_good_ones_only "$@"
  mv base.credited.now base.credited
  mv base.good.now base.good
  echo 0 >passed
}

# From now on not a byte leaves the pool that rests on the device alone, and its clients know why.
lone_stands_still() {
  local before
  eventually 5 lone_is_suspended
  before=$(of pools lone delivered_bytes)
  tell lone before >/dev/null
  sleep 1
  [ "$(of pools lone delivered_bytes)" = "$before" ] || die "pool lone gave bytes while it was suspended"
  case "$(tell lone after)" in
    *" answers=0 bytes=0 suspended=2") ;;
    *) die "a client of pool lone: $(tail -n 1 lone.log)" ;;
  esac
  AS=reader expect_failure 1 'UNAVAILABLE.*suspended' ctl get --bytes 32 --class lone/key --hex
}

# The device is sound again: both pools are themselves again, after one more start-up.
recovers() {
  local starts
  eventually 10 device_is HEALTHY
  starts=$(cat passed)
  echo $((starts + 1)) >passed
  eventually 5 lone_is_ready
  eventually 5 lone_gives
}

# What latched stays so until an operator says otherwise.
mend() {
  tell device good >/dev/null
  ctl sources reset device >/dev/null
  recovers
}

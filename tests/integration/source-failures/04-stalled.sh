. "$HERE/source-failures/vocabulary.sh"
begin
kill -STOP "$(pid_of device)"
stopped=$(date +%s%N)
eventually 5 device_is GONE
echo "   GONE after $((($(date +%s%N) - stopped) / 1000000)) ms"
raw=$(of sources device raw_bytes)
credited=$(of sources device credited_bits)
lone_stands_still
[ "$(of sources device raw_bytes)" = "$raw" ] && [ "$(of sources device credited_bits)" = "$credited" ] ||
  die "bytes of a stopped device were counted"
nobody_waited stalled
kill -CONT "$(pid_of device)"
recovers
credited_good_ones_only

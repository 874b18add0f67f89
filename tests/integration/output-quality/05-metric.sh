# One block of 2,500 bytes in 256, and every reader's first.
for pool in drbg full; do
  examined=$(metric server "entropyd_pool_output_blocks_examined_total.*pool=\"$pool\"")
  passed=$(metric server "entropyd_pool_output_blocks_total.*pool=\"$pool\",result=\"passed\"")
  [ "$examined" -ge $((10000000 / 2500 / 256)) ] || die "pool $pool: only $examined blocks examined"
  limit=$(/usr/bin/python3 "$HERE/output-quality/quality.py" limit "$examined")
  [ $((examined - passed)) -le "$limit" ] || die "pool $pool: $passed of $examined blocks passed"
  echo "pool $pool: $examined blocks examined, $passed passed"
done

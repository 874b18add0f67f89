for name in gold slow; do
  watch=$(pid_of $name)
  kill -TERM "$watch"
  eventually 25 test ! -d "/proc/$watch"
  rm $name.pid
  echo "$name: $(tail -n 1 $name.log)"
  tail -n 1 $name.log | grep -q '"closed": 0, "missing": 0, "surplus": 0, "blocks_twice": 0' || die "see above"
done

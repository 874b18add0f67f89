watch=$(pid_of watch)
kill -TERM "$watch"
eventually 30 test ! -d "/proc/$watch"
rm watch.pid
tail -n 1 watch.log
tail -n 1 watch.log | grep -q '"closed": 0, "missing": 0, "surplus": 0, "blocks_twice": 0' || die "see above"

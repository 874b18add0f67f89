# Of both daemons: what is wiped in a forked child (the arena of secrets) is not dumped and, where it
# is in use, locked; no core file, no new privileges; /proc belongs to root, as of a process that
# must not be dumped.
for program in server agent; do
  pid=$(pid_of $program)
  if [ "$(id -u)" != 0 ]; then
    [ "$(stat -c %u "/proc/$pid/environ")" = 0 ] || die "$program may be dumped by its own user"
    echo "NOTE: the flags of $program's memory are for root to see"
    continue
  fi
  awk -v locked="$([ "$(ulimit -l)" = unlimited ] || [ "$(ulimit -l)" -ge 65536 ] && echo 1 || echo 0)" '
    /^[0-9a-f]+-[0-9a-f]+ / { where = $1 }
    /^Rss:/ { resident = $2 }
    /^VmFlags:/ && / wf/ {
      ++secret
      if (!/ dd/) { print where ": may be dumped"; bad = 1 }
      if (resident > 0) { in_use += resident; if (locked && !/ lo/) { print where ": not locked"; bad = 1 } }
    }
    END {
      printf "   %d mappings wiped on fork, %d KiB in use\n", secret, in_use
      exit bad || secret == 0 || in_use == 0
    }' "/proc/$pid/smaps" || die "$program: see above"
  grep -Eq '^Max core file size +0 +0 ' "/proc/$pid/limits" || die "$program may leave a core file"
  grep -q '^NoNewPrivs:.*1' "/proc/$pid/status" || die "$program may gain privileges"
done

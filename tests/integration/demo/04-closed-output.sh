# Whoever reads the demo's output goes away: the demo ends in order, as at Ctrl-C.
mkdir scratch
for output in text json; do
  TMPDIR=$WORK/scratch bash -c 'timeout 60 "$BIN/entropyctl" demo -o "$1" 2>demo.err; echo $? >demo.status' _ $output |
    head -n 3 >/dev/null
  [ "$(cat demo.status)" = 0 ] || { cat demo.err; die "$output: exit $(cat demo.status)"; }
  is_empty scratch || die "$output: left behind: $(find scratch)"
done

# A demo that fails removes its logs, so its message holds what they said.
mkdir programs
cp "$BIN/entropyctl" programs
cat >programs/entropyd <<'SH'
#!/bin/sh
echo 'the reason of the failure' >&2
exit 7
SH
chmod +x programs/entropyd
status=0
TMPDIR=$WORK/scratch programs/entropyctl demo >demo.txt 2>&1 || status=$?
[ "$status" = 1 ] || { cat demo.txt; die "exit $status"; }
grep -q 'entropyd exited with status 7; the last messages of entropyd:' demo.txt || { cat demo.txt; die "no reason"; }
grep -q '^  the reason of the failure' demo.txt || { cat demo.txt; die "no reason"; }
lacks demo.txt "$WORK/scratch.*\.log" || die "it names a log that is gone"
is_empty scratch || die "left behind: $(find scratch)"

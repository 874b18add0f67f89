. "$HERE/sources/vocabulary.sh"
# Tests on demand, a reset, and what a source remembers.
ctl sources test hsm >test.out
grep -Eq '^hsm .* healthy ' test.out || die "the tested source is not healthy: $(cat test.out)"
ctl sources reset tpm >/dev/null
ctl sources show jitter | grep -E '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}Z +healthy' >/dev/null || die "no history"
expect_failure 1 "no source 'nobody' is configured; there are tpm, hsm" ctl sources show nobody
ctl self-test | grep 'passed: CTR_DRBG, SHA-512, health' >/dev/null || die "self-tests"

# Raw samples: as many as asked for, one byte each, for nobody else's eyes, and never the same twice.
for file in one two; do
  ctl sources record hsm --samples 20000 --out $file.bin >record.out
  grep -q "ea_non_iid $file.bin 8" record.out || die "no word on the assessment: $(cat record.out)"
done
[ "$(stat -c '%s %a' one.bin)" = '20000 600' ] || die "one.bin is $(stat -c '%s bytes, mode %a' one.bin)"
if cmp one.bin two.bin >/dev/null; then die "two recordings alike"; fi
ctl sources record hsm --restarts 20 --samples 500 --out restarts.bin >/dev/null
[ "$(stat -c %s restarts.bin)" = 10000 ] || die "restarts.bin is $(stat -c %s restarts.bin) bytes"
/usr/bin/python3 - restarts.bin <<'PY'
import sys
data = open(sys.argv[1], "rb").read()
rows = {data[i:i + 500] for i in range(0, len(data), 500)}
sys.exit(f"only {len(rows)} of 20 rows differ" if len(rows) != 20 else 0)
PY
expect_failure 2 'one.bin exists' ctl sources record hsm --samples 10 --out one.bin
expect_failure 1 'no source' ctl sources record nobody --samples 10 --out three.bin
expect_failure 2 'allow_recording: true' ctl --server "localhost:$(port_of upstream grpc)" sources record kernel \
  --samples 10 --out three.bin
AS=reader expect_failure 1 'PERMISSION_DENIED|role' ctl sources record hsm --samples 10 --out three.bin
[ ! -e three.bin ] && ! compgen -G '*.part' >/dev/null || die "a refused recording left a file"
# Not fast enough for a million samples in this test's time: interrupted, it leaves nothing.
spawn record "$BIN/entropyctl" --config operator.client.yaml sources record jitter --samples 1000000 --out three.bin
sleep 1
kill -INT "$(pid_of record)"
ends record 10 1
grep -q 'interrupted; no file was written' record.log || die "$(cat record.log)"
[ ! -e three.bin ] && ! compgen -G '*.part' >/dev/null || die "an interrupted recording left a file"
eventually 40 all_healthy

# Who did it: in the log and in the audit's own file. Whoever looks leaves no trace there.
by="by=spiffe://test/operator/o1 peer=ipv4:127.0.0.1:[0-9]*"
for line in "call=TestSource $by target=hsm before=healthy after=healthy outcome=OK" \
  "call=ResetSource $by target=tpm before=healthy after=healthy outcome=OK" \
  "call=RecordSource $by target=hsm before=\"\" after=\"20000 samples sent\" outcome=OK" \
  "call=RecordSource $by target=nobody .* outcome=\"NOT_FOUND: " \
  "call=RecordSource $by target=jitter .* outcome=\"UNAVAILABLE: record source jitter: the reader has gone"; do
  eventually 10 grep -q "event=admin.call $line" audit.log
  grep -q "event=admin.call $line" server.log || die "the log lacks: $line"
done
[ "$(stat -c %a audit.log)" = 600 ] || die "audit.log has mode $(stat -c %a audit.log)"
lines=$(wc -l <audit.log)
[ "$(grep -c 'event=admin.call' audit.log)" = "$lines" ] ||
  die "other lines in audit.log: $(grep -v 'event=admin.call' audit.log)"
lacks audit.log 'call=(List|Get)' || die "whoever looks is told of"

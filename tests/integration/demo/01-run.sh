"$BIN/entropyctl" demo --dir "$WORK/demo" --seconds 4 >demo.txt 2>&1 || { cat demo.txt; die "demo failed"; }
cat demo.txt
grep -q "path=$WORK/demo/egd.sock" demo.txt || die "no QEMU line"
grep -q "<rng model='virtio'>" demo.txt || die "no libvirt XML"
grep -q "/metrics" demo.txt || die "no metrics URL"
[ ! -e demo ] || die "left behind: $(find demo)"
"$BIN/entropyctl" demo --seconds 2 -o json >demo.json
/usr/bin/python3 -c '
import json
lines = [json.loads(line) for line in open("demo.json")]
assert any(line.get("event") == "tick" and line["delivered_bytes"] > 0 for line in lines), lines
assert lines[-1]["ok"] is True, lines[-1]'

# Any directory is as good as another one, and what is printed can be pasted.
odd="$WORK/a,b #x%41 it's"
spawn odd "$BIN/entropyctl" demo --dir "$odd"
eventually 20 grep -q '^try ' odd.log
eval "$(sed -n 's/^try  *//p' odd.log)" >odd.status
grep -qx healthy odd.status || die "the demo in '$odd' is not healthy: $(cat odd.status)"
grep -q "path='.*/a,b #x%41 it&apos;s/egd.sock'" odd.log || die "no libvirt XML: $(cat odd.log)"
grep -q "path=.*/a,,b #x%41 it'.''s/egd.sock,reconnect" odd.log || die "no QEMU line: $(cat odd.log)"
stop odd 20 0

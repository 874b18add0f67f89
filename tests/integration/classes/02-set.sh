. "$HERE/classes/vocabulary.sh"
# A guest of an agent: 1 MiB through 64 KiB/s would take 14 s and more.
ctl classes set default/slow ceil=2MiB/s >/dev/null
began=$SECONDS
egd slow.sock read 1048576
[ $((SECONDS - began)) -le 8 ] || die "1 MiB in $((SECONDS - began)) s through a ceiling of 2 MiB/s"
ctl classes reset >/dev/null
stop agent
load
eventually 5 is_running load
sleep 0.3
gets 40 72
ctl classes set default/slow ceil=256KiB/s >said
grep -Eq 'default/slow +ceil +64KiB/s +256KiB/s +20.* spiffe://test/operator/o1' said || die "$(cat said)"
gets 150 290
ctl classes set default/slow ceil=32KiB/s prio=2 weight=0.5
gets 16 44
ctl classes diff >said
[ "$(grep -c '^default/slow ' said)" = 3 ] || die "$(cat said)"
ctl classes diff -o json | /usr/bin/python3 -c 'import json, sys
d = {one["key"]: one for one in json.load(sys.stdin)["differences"]}
assert d["ceil"]["configured"] == "64KiB/s" and d["ceil"]["in_force"] == "32KiB/s", d
assert d["prio"]["in_force"] == "2" and d["weight"]["configured"] == "default", d
assert d["ceil"]["by"] == "spiffe://test/operator/o1" and d["ceil"]["at"].endswith("Z"), d'
[ "$(drift slow)" = 1 ]
[ "$(drift '[a-z]*')" = 1 ]
change='class=default/slow by=spiffe://test/operator/o1 old="?ceil=64KiB/s"? new="?ceil=256KiB/s'
grep -Eq "event=class\.changed .*$change" server.log
# A dry run says what would be and changes nothing.
ctl classes set default/slow ceil=none --dry-run | grep 'Nothing was changed' >/dev/null
eventually 10 metric_is server '^entropyd_class_ceil_bytes_per_second.*class="slow"' = 32768

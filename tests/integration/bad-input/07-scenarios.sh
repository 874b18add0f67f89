# Scenarios of `entropyctl classes simulate`, from a file and from the standard input.
cat >plan.json <<'JSON'
{"capacity": 100, "load": {"www": 90, "bulk": null}, "classes": [
  {"name": "root"}, {"name": "www", "parent": "root", "rate": 30, "ceil": 60},
  {"name": "bulk", "parent": "root", "rate": 10, "weight": 1, "prio": 1}]}
JSON
simulate() { "$BIN/entropyctl" classes simulate "$@"; }
simulate plan.json >plan.txt
grep -Eq '^www +30 +60 +90 +60' plan.txt || { cat plan.txt; die "www does not get 60"; }
simulate - -o json <plan.json >plan.out
python3 -c 'import json; leaf = json.load(open("plan.out"))["leaf"]; assert abs(leaf["bulk"] - 40) < 0.08, leaf'
spoilt() {  # pattern sed-script: the good scenario, spoilt
  sed "$2" plan.json >bad.json
  ! cmp -s plan.json bad.json || die "the script '$2' spoils nothing"
  expect_failure 2 "bad.json: .*$1" simulate bad.json
}
spoilt 'not a JSON object' 's/^{/[/'
spoilt "has no capacity; add" 's/"capacity": 100, //'
spoilt "class 2 of 3: has no name; add" 's/"name": "www", //'
spoilt "class 'www': ceil 60 is below the rate 70; raise" 's/"rate": 30/"rate": 70/'
spoilt "class 'bulk': rate -10 is negative; write" 's/"rate": 10/"rate": -10/'
spoilt "class 'bulk': its parent 'trunk' does not exist; add" \
  's/"parent": "root", "rate": 10/"parent": "trunk", "rate": 10/'
spoilt "load of 'wwww'.*no such class; name" 's/"www": 90/"wwww": 90/'
expect_failure 2 'no-such.json' simulate no-such.json
# A leaf without a guarantee is simulated, with a warning that does not mix with the answer.
sed 's/"rate": 10, //' plan.json | simulate - -o json >plan.out 2>plan.err
python3 -c 'import json; json.load(open("plan.out"))'
grep -q "class 'bulk': rate 0" plan.err || { cat plan.err; die "no warning of the rate 0"; }

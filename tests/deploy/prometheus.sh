#!/usr/bin/env bash
# Rules check, their unit tests pass, and a real Prometheus that scrapes the demo answers every query of the
# dashboard and of the rules with at least one series.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DEPLOY_TESTS=$HERE
export HERE=$HERE/../integration ROOT
ROOT=$(cd "$HERE/../.." && pwd)
BIN=${BIN:-$ROOT/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-pm.XXXXXX)
export BIN WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"

promtool check rules "$ROOT/deploy/prometheus/rules.yaml"
promtool check config "$ROOT/deploy/prometheus/prometheus.yaml"
promtool test rules "$ROOT/deploy/prometheus/rules_test.yaml"
# The unit tests can fail: a threshold moved must be noticed.
mkdir spoilt
cp "$ROOT"/deploy/prometheus/rules*.yaml spoilt/
sed -i 's/upstream_connected == 0/upstream_connected == 2/' spoilt/rules.yaml
! cmp -s "$ROOT/deploy/prometheus/rules.yaml" spoilt/rules.yaml || die "no rule has the threshold that is moved here"
expect_failure 1 'FAILED' promtool test rules spoilt/rules_test.yaml

spawn demo "$BIN/entropyctl" demo --dir "$WORK/demo" --seconds 300
eventually 30 grep -q '/metrics' demo.log
eventually 30 test -S demo/egd.sock
mapfile -t urls < <(grep -Eo 'http://[0-9.:]+/metrics' demo.log | sort -u)
[ ${#urls[@]} = 2 ] || die "the demo prints ${#urls[@]} metrics URLs instead of 2: $(cat demo.log)"
egd demo/egd.sock read 100000

/usr/bin/python3 "$DEPLOY_TESTS/prometheus_test.py" "$ROOT/deploy" "$WORK" "${urls[@]}"

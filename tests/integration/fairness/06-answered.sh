. "$HERE/fairness/vocabulary.sh"
tell stop $CROWDS
judge answered $CROWDS
[ ! -s missed ] || die "bars were missed: $(cat missed)"
# For tests/bench.
[ -z "${FAIRNESS_LATENCIES:-}" ] || cp latencies "$FAIRNESS_LATENCIES"

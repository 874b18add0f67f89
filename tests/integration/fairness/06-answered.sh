. "$HERE/fairness/vocabulary.sh"
tell stop $CROWDS
judge answered $CROWDS
[ ! -s missed ] || die "bars were missed: $(cat missed)"

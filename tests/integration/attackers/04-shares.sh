. "$HERE/attackers/vocabulary.sh"
tell end $CROWDS
/usr/bin/python3 "$HERE/attackers/judge.py" shares end

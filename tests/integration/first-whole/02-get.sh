AS=reader
[ "$(ctl get --bytes 32 --class default/gold --hex | tr -d '\n' | wc -c)" = 64 ]
ctl get --bytes 100000 --class default/gold --raw >drawn
[ "$(stat -c %s drawn)" = 100000 ]
ctl get --bytes 100000 --class default/gold --base64 | base64 --decode >decoded
[ "$(stat -c %s decoded)" = 100000 ]
ctl get --bytes 1000 --class default/gold -o json >drawn.json
/usr/bin/python3 -c '
import base64, json
drawn = json.load(open("drawn.json"))
assert drawn["class"] == "default/gold" and drawn["bytes"] == 1000, drawn
assert drawn["quality"] == "QUALITY_DRBG" and drawn["seed_age_seconds"] >= 0, drawn
assert len(base64.b64decode(drawn["base64"], validate=True)) == 1000, drawn'
differ "$(ctl get --bytes 16 --class default/gold --hex)" "$(ctl get --bytes 16 --class default/gold --hex)"
AS=reader expect_failure 1 'NOT_FOUND|not found|no class' ctl get --bytes 16 --class default/nowhere --hex
AS=agent expect_failure 1 'denied|DENIED' ctl get --bytes 16 --class default/secret --hex

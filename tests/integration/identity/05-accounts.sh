. "$HERE/identity/guests.sh"
guest shop "$WORK/known.sock" gold
draws shop 5000
[ "$(guest_metric 'delivered_bytes_total.*guest="shop".*class="default/gold"')" = "5000 1" ]
[ "$(guest_metric 'requests_total.*guest="shop"')" = "20 1" ]
[ "$(guest_metric 'wait_seconds_count.*guest="shop"')" = "20 1" ]
# web drew 20,000 B at 4 KiB/s until it was moved: it was throttled, and shop never.
differ "$(field web throttled_seconds)" 0
[ "$(field shop throttled_seconds)" = 0 ]
AS=agent ctl guests | grep "shop .*$(uuid_of shop)" >/dev/null
AS=agent ctl top --once | grep 'default/gold' >/dev/null
AS=agent ctl top --once -o json | python3 -c '
import json, sys
top = json.load(sys.stdin)
assert {"shop", "web"} <= {g["name"] for g in top["guests"]}, top
rates = [g["rate"] for g in top["guests"]]
assert rates == sorted(rates, reverse=True), rates
assert any(c["class"] == "default/gold" for c in top["status"]["classes"]), top'
leave shop
# Its series stays for five minutes, so that one that comes again goes on in it.
shop_is_away() { [ "$(guest_metric 'connections.*guest="shop"')" = "0 1" ]; }
eventually 5 shop_is_away
[ "$(guest_metric 'delivered_bytes_total.*guest="shop"')" = "5000 1" ]

. "$HERE/handover/upgrades.sh"
# A server that stands still keeps every taker from the guests, and the giver from refilling.
agent=$(pid_of agent)
for i in $(seq 12); do
  kill -STOP "$(pid_of server)"
  kill -USR2 "$agent"
  sleep "0.$(printf %03d $((RANDOM % 400)))"
  child=$(pgrep -P "$agent") || die "no new process was started"
  kill -KILL "$child"
  kill -CONT "$(pid_of server)"
  eventually 10 serves "$agent"
  failures() { [ "$(grep -c 'event=upgrade.failed' agent.log)" -ge "$i" ]; }
  eventually 5 failures
done
eventually 30 timeout 10 /usr/bin/python3 "$HERE/egd_client.py" "$WORK/egd.sock" read 4096
delivered_has_grown

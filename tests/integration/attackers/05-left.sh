. "$HERE/attackers/vocabulary.sh"
for attacker in $ATTACKERS; do stop "$attacker"; done
/usr/bin/python3 "$HERE/attackers/judge.py" attacks $ATTACKERS
# The greedy ones were closed as little as the others, and get what they have asked for.
tell stop $CROWDS
for crowd in $CROWDS; do
  ends "$crowd" 5
done
eventually 10 guests_are 64
in_bounds
agent=$(pid_of agent)
before=$(cat descriptors)
is_back() { [ "$(descriptors "$agent")" -le "$before" ]; }
eventually 10 is_back
# A round of the polite ones.
[ "$(metric_of_agent owed_bytes)" -le 8192 ] || die "$(metric_of_agent owed_bytes) bytes are owed to nobody"
before=$(cat memory)
now=$(memory_of "$agent")
echo "memory: $before KiB before the attack, $now KiB after it"
[ "$now" -le $((before + MOST_KEPT_KIB)) ] || die "something was left behind"
for watch in $POLITE; do noticed_nothing "$watch"; done
eventually 10 guests_are 0

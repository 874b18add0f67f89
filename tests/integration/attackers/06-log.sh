. "$HERE/attackers/vocabulary.sh"
stop agent
lacks agent.log 'ERROR: (Address|Leak)Sanitizer|runtime error:' || die "see above"
# Each process of the agent tells of each attacker and each kind of refusal once in ten seconds.
lines=$(grep -c 'event=guest\.' agent.log)
processes=$(grep -c 'event=agent.started' agent.log)
echo "$lines lines about guests, in $processes processes of the agent"
[ "$lines" -ge 1 ] || die "no refusal was told"
[ "$lines" -le $((20 * processes)) ] || die "the log has a line for every refusal"

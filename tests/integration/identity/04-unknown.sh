. "$HERE/identity/guests.sh"
guest stray "$WORK/known.sock" -
draws stray 100
leave stray
expect_failure 1 'closed|reset|Broken' egd "$WORK/refuse.sock" read 10
eventually 10 metric_is agent '^entropyd_agent_unidentified_refused_total' -ge 1
guest knows "$WORK/refuse.sock"
draws knows 100
leave knows

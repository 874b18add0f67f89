. "$HERE/identity/guests.sh"
. "$HERE/handover/upgrades.sh"
guest mail "$WORK/known.sock" slow
draws mail 3000
waits=$(metric agent '^entropyd_agent_wait_seconds_count.*slow')
rm -f agent.ports
AS=agent ctl agent upgrade
adopt_pid
eventually 10 is mail class default/slow
is mail delivered 3000
is mail uuid "$(uuid_of mail)"
[ "$(guest_metric 'delivered_bytes_total.*guest="mail"')" = "3000 1" ]
[ "$(metric agent '^entropyd_agent_wait_seconds_count.*slow')" = "$waits" ] || die "wait histograms restarted"
domain mail "$(pid_of mail)" gold
eventually 5 is mail class default/gold
draws mail 500
# Whichever process sees the change: the one that serves in the end knows it.
before=$(serving_pid)
rm -f agent.ports
AS=agent ctl agent upgrade >upgrade.log &
upgrade=$!
domain mail "$(pid_of mail)" slow
wait $upgrade
adopt_pid
differ "$(serving_pid)" "$before" || die "nothing was handed over"
eventually 5 is mail class default/slow
egd "$WORK/guest/vm-1.sock" read 100
leave mail

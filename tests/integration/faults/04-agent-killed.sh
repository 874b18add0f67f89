murder agent
[ -S egd.sock ] || die "no stale socket to try"
start_agent
egd egd.sock read 65536
# Somebody tidies up: the socket is there again, and whoever is connected stays.
rm egd.sock
eventually 10 test -S egd.sock
egd egd.sock read 65536
grep -q 'event=listener.lost path=[^ ]*/egd.sock' agent.log || die "the log does not say that the socket was lost"

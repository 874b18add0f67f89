murder agent
[ -S egd.sock ] || die "no stale socket to try"
start_agent
egd egd.sock read 65536

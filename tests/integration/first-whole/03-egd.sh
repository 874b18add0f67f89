egd egd.sock read 65536
egd egd.sock read 4096 --size 1
alike "$(egd egd.sock pid)" "$(pid_of agent)"
[ "$(egd egd.sock bits)" -ge 0 ]
[ "$(egd egd.sock nonblock 64)" -le 64 ]
egd egd.sock write 200
egd egd.sock split
egd egd.sock sizes
egd egd.sock half
egd egd.sock unknown
[ "$(egd egd.sock pipeline 10000)" = 640000 ]
egd egd.sock read 4096

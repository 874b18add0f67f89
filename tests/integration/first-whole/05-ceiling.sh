# 64 KiB/s at most: 256 KiB beyond burst and buffer take 3 s or more, on however slow a machine.
began=$(date +%s%N)
egd slow.sock read 262144
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -ge 3000 ] || die "256 KiB in $took ms through a ceiling of 64 KiB/s"

spawn demo "$BIN/entropyctl" demo --dir "$WORK/demo"
eventually 20 test -S demo/egd.sock
egd demo/egd.sock read 65536
kill -INT "$(pid_of demo)"
ends demo 10
[ ! -e demo ] || die "left behind: $(find demo)"

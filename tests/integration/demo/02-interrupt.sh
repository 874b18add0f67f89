spawn demo "$BIN/entropyctl" demo --dir "$WORK/demo"
eventually 20 test -S demo/egd.sock
egd demo/egd.sock read 65536
kill -INT "$(pid_of demo)"
eventually 10 has_ended demo
rm demo.pid
[ ! -e demo ] || die "left behind: $(find demo)"

make_pki
start_server
start_agent
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 256 16 100
sleep 2
is_running watch || die "the load does not run"

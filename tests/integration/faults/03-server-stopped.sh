kill -STOP "$(pid_of server)"
timeout 5 /usr/bin/python3 "$HERE/egd_client.py" egd.sock read 64 || die "the buffer does not serve on"
spawn waiting /usr/bin/python3 "$HERE/egd_client.py" "$WORK/egd.sock" read 1000000
sleep 1
is_running waiting || die "1 MB came out of a 256 KiB buffer while the server stood still"
kill -CONT "$(pid_of server)"
eventually 30 grep -q '^1000000 bytes' waiting.log
rm waiting.pid

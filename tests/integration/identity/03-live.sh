. "$HERE/identity/guests.sh"
tell web read 20000   # more than its class lets through at once: it waits
waits() { [ "$(metric agent '^entropyd_agent_owed_bytes.*slow')" -gt 0 ]; }
eventually 10 waits
id=$(field web id)
domain web "$(pid_of web)" gold
eventually 5 is web class default/gold
eventually 5 grep -q 'got 20000' "$WORK/web.out"
is web id "$id" || die "the connection is another one"
domain web "$(pid_of web)" slow
eventually 5 is web class default/slow

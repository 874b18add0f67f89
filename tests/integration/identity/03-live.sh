. "$HERE/identity/guests.sh"
tell web read 20000   # more than its class lets through at once: it waits
eventually 10 bash -c "[ \$(curl -fsS http://127.0.0.1:$(port_of agent http)/metrics | awk '/^entropyd_agent_owed_bytes.*slow/ {print \$NF}') -gt 0 ]"
id=$(field web id)
domain web "$(pid_of web)" gold
eventually 5 is web class default/gold
eventually 5 grep -q 'got 20000' "$WORK/web.out"
is web id "$id" || die "the connection is another one"
domain web "$(pid_of web)" slow
eventually 5 is web class default/slow

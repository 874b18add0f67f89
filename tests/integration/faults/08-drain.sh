from_here agent
ctl drain --reason maintenance
eventually 20 logged agent 'event=upstream\.drain .*reason=maintenance'
# Whoever looks learns of it, and who it was.
not_ready() {
  curl -sS "http://127.0.0.1:$(port_of server http)/readyz" |
    grep '^the server drains; entropyctl drain --end' >/dev/null
}
eventually 5 not_ready
expect_failure 3 'UNHEALTHY: the server drains and serves nobody: maintenance; entropyctl drain --end' ctl status
grep -q 'event=drain.begun by=spiffe://test/operator/o1 identity=all reason=maintenance' server.log ||
  die "the log does not tell who drains"
AS=reader expect_failure 1 'the server drains' ctl get --bytes 32 --class default/gold --hex
ctl drain --end
eventually 20 is_ready server
attached() { [ "$(metric agent entropyd_agent_upstream_connected)" = 1 ]; }
eventually 60 attached
AS=reader ctl get --bytes 32 --class default/gold --hex >/dev/null
ctl drain --end | grep '^the server does not drain: there is nothing to end$' >/dev/null
ctl drain --reason maintenance
stop server 5
start_server
egd egd.sock read 65536
eventually 10 metric_is agent entropyd_agent_upstream_connected = 1

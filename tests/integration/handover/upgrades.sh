# The process that answers is told by EGD's command 0x04.
serving_pid() { egd "$WORK/egd.sock" pid; }
serves() { [ "$(serving_pid)" = "$1" ]; }

# adopt_pid: from here on `agent` is whoever serves. Its doors have opened by then.
adopt_pid() { eventually 15 test -s agent.ports; serving_pid >agent.pid; }

# delivered_has_grown: /metrics of whoever serves, against the last time. It never goes back, and goes on.
delivered() { metric agent '^entropyd_agent_delivered_bytes_total.*gold'; }
delivered_exceeds() { [ "$(delivered)" -gt "$1" ]; }
delivered_has_grown() {
  local now before=0
  [ ! -f delivered ] || before=$(cat delivered)
  now=$(delivered)
  [ "$now" -ge "$before" ] || die "delivered bytes went back from $before to $now"
  eventually 5 delivered_exceeds "$before"
  delivered >delivered
}

mark() {  # the longest round since the last mark, in ms
  local lines
  lines=$(wc -l <watch.log)
  kill -USR1 "$(pid_of watch)"
  eventually 10 watch_has_said "$lines"
  tail -n 1 watch.log | sed -n 's/^longest_ms //p' | grep .
}
watch_has_said() { [ "$(wc -l <watch.log)" -gt "$1" ]; }  # MORE LINES

agent_guests_are() { [ "$(metric agent '^entropyd_agent_guests[{ ]')" = "$1" ]; }

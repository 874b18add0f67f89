# The process that answers is told by EGD's command 0x04.
serving_pid() { egd "$WORK/egd.sock" pid; }
serves() { [ "$(serving_pid)" = "$1" ]; }

# adopt_pid: from here on `agent` is whoever serves. Its doors have opened by then. An agent gives an upgrade up by
# itself after a minute (hostagent/handover/succession.h).
adopt_pid() { eventually 25 test -s agent.ports; serving_pid >agent.pid; }

# upgrade: the next process serves. An agent that gives the upgrade up says why, and so does this. If it had too little
# of the processors for it, it is asked again.
given_up() { grep 'event=upgrade\.failed' agent.log || [ $? = 1 ]; }
has_come_or_given_up() { [ -s agent.ports ] || [ "$(given_up | wc -l)" -gt "$1" ]; }  # TIMES GIVEN UP BEFORE
ask_for_upgrade() {  # PID: whether one has come
  local before why
  before=$(given_up | wc -l)
  rm -f agent.ports
  kill -USR2 "$1"
  eventually 25 has_come_or_given_up "$before"
  [ ! -s agent.ports ] || return 0
  why=$(given_up | tail -n "+$((before + 1))")
  echo "an upgrade was given up: $why"
  grep -E 'no progress in time|too long to save|try again|DEADLINE_EXCEEDED' <<<"$why" >/dev/null ||
    die "that is no matter of time"
  return 1
}
upgrade() {
  local before attempt
  before=$(pid_of agent)
  for attempt in 1 2 3; do
    if ask_for_upgrade "$before"; then break; fi
    [ "$attempt" -lt 3 ] || die "three upgrades were given up"
  done
  adopt_pid
  differ "$(pid_of agent)" "$before" || die "the old process still serves"
}

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

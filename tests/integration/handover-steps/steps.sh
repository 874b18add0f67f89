# start_managed: an agent under a service manager, whose handovers a step can stop or end (handover_step.cc).
start_managed() {
  LD_PRELOAD=$BIN/it_handover_step.so HANDOVER_STEP=$WORK/step NOTIFY_SOCKET=$WORK/notify start_agent
  eventually 20 is_main
}
# The main process as the manager knows it.
main_pid() { sed -n 's/.*MAINPID=\([0-9]*\).*/\1/p' manager.log | tail -n 1; }
main_pid_is() { alike "$(main_pid)" "$1"; }
is_main() { main_pid_is "$(pid_of agent)"; }
# One that goes at this moment has no status to read.
is_gone() {
  local state
  state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || state=Z
  [ "$state" = Z ]
}

# The process that answers is told by EGD's command 0x04.
serving_pid() { timeout 5 /usr/bin/python3 "$HERE/egd_client.py" "$WORK/egd.sock" pid; }
serves() { [ "$(serving_pid)" = "$1" ]; }
# agents: the pids of all agents of this suite.
agents() { pgrep -f "^[^ ]*entropyd-hostagent --config $WORK/agent.yaml" || [ $? = 1 ]; }  # 1 = there is none
agents_are() { alike "$(agents)" "$1"; }

# begin_step ROLE MESSAGE WHEN DEED: what is to be done in the next handover.
begin_step() {
  rm -f step.done step.pid
  echo "$* $(pid_of agent)" >step.new
  mv step.new step
}

# Guests that check every byte, until `noticed_nothing watch` or `lost_all`.
start_watch() {
  rm -f watch.log
  spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 16 4 20
  eventually 10 watched
}
watched() { (differ "$(metric agent '^entropyd_agent_guests[{ ]')" 0); }
lost_all() {
  eventually 15 watch_is_alone
  end_watch '"closed": 16, .*"surplus": 0, "blocks_twice": 0'
}
# A taker that ends by itself holds the connections a little longer than the giver that was killed.
watch_is_alone() {
  local sockets
  sockets=$(find "/proc/$(pid_of watch)/fd" -lname 'socket:*') || return
  [ -z "$sockets" ]
}
end_watch() {  # PATTERN of its last line
  local pid
  pid=$(pid_of watch)
  kill -TERM "$pid"
  eventually 30 test ! -d "/proc/$pid"
  rm watch.pid
  grep -q "$1" <(tail -n 1 watch.log) || die "the guests saw $(tail -n 1 watch.log)"
}

# all_doors PID: each socket file is there, none was lost, and PID serves behind it.
all_doors() {
  local socket
  for socket in egd slow; do
    alike "$(egd "$WORK/$socket.sock" pid)" "$1" || die "$socket.sock is not the serving process's"
  done
  lacks agent.log 'event=listener.lost'
  "$BIN/entropyctl" --control "$WORK/agent.sock" status >status.now || [ $? = 3 ] ||
    die "the control socket does not answer"
  [ -S agent.sock.handover ] || die "the socket for successors is lost"
}

# nobody_serves: every process has ended, and the manager's main process is among them, so that it starts another.
nobody_serves() {
  eventually 15 agents_are_none
  is_gone "$(main_pid)" || die "the manager takes $(main_pid) for the service"
  start_managed
}
agents_are_none() {
  local all
  all=$(agents) || return
  [ -z "$all" ]
}

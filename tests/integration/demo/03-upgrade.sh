# The demo goes on when its agent is replaced, by an upgrade (USR2) and by a reload (HUP), and takes the last
# one with it when it ends.
in_session() { pgrep -s "$(cat demo.child)" "$@"; }  # `spawn` gives each program a session of its own
agent_pid() { in_session -x entropyd-hostag; }
is_replaced_by() {  # SIGNAL
  local before
  before=$(agent_pid)
  kill "-$1" "$before"
  eventually 20 test ! -d "/proc/$before"
  eventually 10 agent_pid
  egd demo/egd.sock read 4096
}
agents() { in_session -c -x entropyd-hostag; }
# A number that rises shows that the demo still hears its agent.
served() { sed -n 's/^{"event":"tick","seconds":[0-9.]*,"delivered_bytes":\([0-9]*\),.*/\1/p' demo.log | tail -n 1; }
served_grows() {
  local before
  before=$(served)
  egd demo/egd.sock read 4096
  eventually 10 served_exceeds "$before"
}
served_exceeds() { [ "$(served)" -gt "$1" ]; }
metrics_answer() { curl -fsS "$(sed -n 's/.*"agent_metrics": *"\([^"]*\)".*/\1/p' demo.log)"; }

rm -f demo.log
spawn demo "$BIN/entropyctl" demo --dir "$WORK/demo" -o json
eventually 20 grep -q self_check demo.log
metrics_answer >/dev/null
is_replaced_by USR2
is_running demo || die "the demo ended with its agent's first process: $(tail -n 3 demo.log)"
served_grows
is_replaced_by HUP
is_running demo || die "the demo ended with its agent's second process: $(tail -n 3 demo.log)"
served_grows
eventually 5 metrics_answer  # where the demo has said
[ "$(agents)" = 1 ] || die "$(agents) agents run"
kill -INT "$(pid_of demo)"
ends demo 10
tail -n 1 demo.log
tail -n 1 demo.log | grep '"ok": *true' >/dev/null || die "the demo says that it failed"
[ "$(in_session -c)" = 0 ] || die "left behind: $(in_session -a)"
[ ! -e demo ] || die "left behind: $(find demo)"

# Nothing stays behind either when the demo has no time to end in order.
rm -f demo.log
spawn demo "$BIN/entropyctl" demo --dir "$WORK/demo" -o json
eventually 20 grep -q self_check demo.log
is_replaced_by USR2
kill -KILL "$(pid_of demo)"
nothing_is_left() { [ "$(in_session -c)" = 0 ]; }
eventually 15 nothing_is_left
rm -rf demo demo.pid

free_port() {
  /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# run_server NAME: with NAME.yaml; returns when it serves.
run_server() {
  rm -f "$1.ports"
  spawn "$1" "$BIN/entropyd" --config "$WORK/$1.yaml" --ports-file "$WORK/$1.ports"
  eventually 20 test -s "$1.ports"
  eventually 20 is_ready "$1"
}

agent_json() { "$BIN/entropyctl" --control "$WORK/agent.sock" status -o json || [ $? = 3 ]; }
# agent_says EXPRESSION: of the agent's status, `a`; its classes by name, `c`.
agent_says() {
  agent_json | /usr/bin/python3 -c '
import json, sys
a = json.load(sys.stdin)["agent"]
c = {one["class"]: one for one in a["classes"]}
value = eval(sys.argv[1])
if not isinstance(value, bool):
    print(value)
sys.exit(value is False or value is None)' "$1"
}
# Which of the two it is attached to.
attached_name() {
  agent_says 'a["connected"]' >/dev/null || return 1
  local port
  port=$(agent_says 'a["server"].split(":")[1]')
  if [ "$port" = "$(port_of one grpc)" ]; then echo one; else echo two; fi
}
attached_to() { [ "$(attached_name)" = "$1" ]; }
other() { if [ "$1" = one ]; then echo two; else echo one; fi; }

# mode_is CLASS MODE: in status and metrics alike.
mode_is() {
  agent_says "c['$1']['mode'] == '$2'" >/dev/null &&
    [ "$(metric agent "^entropyd_agent_class_mode.class=\"$1\",mode=\"$2\"")" = 1 ]
}

# longest NAME: the longest round of that watch since the last call, in ms; those under way count.
longest() {
  local lines
  lines=$(wc -l <"$1.log")
  kill -USR1 "$(pid_of "$1")"
  eventually 10 has_said "$1" "$lines"
  tail -n 1 "$1.log" | sed -n 's/^longest_ms //p' | grep .
}
has_said() { [ "$(wc -l <"$1.log")" -gt "$2" ]; }  # NAME LINES: more than so many
# bar WHAT NAME MS: the longest wait of that watch since the last call, and its bar.
bar() {
  local ms
  ms=$(longest "$2")
  waited "$1" "$ms" "$3"
}

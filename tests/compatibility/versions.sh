# The vocabulary of this suite, beside lib.sh's. Sourced. A version is `old` or `new`.
. "$HERE/handover/upgrades.sh"
bin_of() { if [ "$1" = old ]; then echo "$OLD_BIN"; else echo "$BIN"; fi; }

server_of() {  # VERSION: starts its server
  local bin
  bin=$(bin_of "$1")
  BIN=$bin start_server
}
agent_of() {  # VERSION [flags…]: starts its agent, and waits until its doors are open
  local bin
  bin=$(bin_of "$1")
  shift
  rm -f agent.ports
  spawn agent "$bin/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports" "$@"
  eventually 30 test -s agent.ports
}

# hands_over_to VERSION: its agent takes the guests over from the one that runs, which ends.
hands_over_to() {
  local before
  before=$(pid_of agent)
  agent_of "$1" --take-over
  eventually 10 test ! -d "/proc/$before"
  alike "$(serving_pid)" "$(pid_of agent)" || die "the agent that took over does not serve"
  alike "$(readlink "/proc/$(pid_of agent)/exe")" "$(realpath "$(bin_of "$1")/entropyd-hostagent")" ||
    die "the agent that serves is not of the $1 version"
}

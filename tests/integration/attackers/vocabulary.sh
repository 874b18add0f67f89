# What the steps of this suite say beyond lib.sh. Sourced.
#
# Polite guests are 64 processes: `own` has the sockets of single guests, `plain` and `known` share theirs with
# attackers. `due` and `hungry` are polite guests, too, whose shares are measured.
. "$HERE/handover/upgrades.sh"
POLITE='own plain known'
CROWDS='due hungry greedy.plain greedy.known'
ATTACKERS='at.plain at.primed at.known at.crowd at.many'
# How long the attack goes on; how much memory the agent may have at its highest, and how much more than before it may
# keep. With SANITIZED=1 it may have more.
ATTACK_SECONDS=${ATTACK_SECONDS:-30}
MOST_RSS_KIB=196608 MOST_KEPT_KIB=16384
[ -z "${SANITIZED:-}" ] || MOST_RSS_KIB=786432 MOST_KEPT_KIB=393216
# A turn with all that its budgets allow takes half of what makes a turn slow (hostagent/loop/event_loop.h).
WORK_MS=5

# Ahead of whatever else wants a processor, where that may be: then a turn takes what its work takes.
start_agent_first() {
  local first=()
  ! chrt --fifo 1 true 2>/dev/null || first=(chrt --fifo 1)
  rm -f agent.ports
  spawn agent "${first[@]}" "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports"
  eventually 60 test -s agent.ports
}
descriptors() { find "/proc/$1/fd" | wc -l; }
guests_are() { [ "$(metric agent '^entropyd_agent_guests[{]')" = "$1" ]; }
metric_of_agent() { metric agent "^entropyd_agent_$1[{ ]"; }

# in_bounds: the process that serves has had no more memory than it may. It says how many turns of its loop were slow.
# With JUDGE_TURNS=1, on a machine that does nothing else, no turn may be slow through its work. A turn is also slow
# when the loop waits for a processor, for as long as the kernel says. The turn that takes the guests over is slow, and
# one more may be: the kernel does not say what a virtual machine waits for.
in_bounds() {
  local pid slow longest memory delay
  pid=$(pid_of agent)
  slow=$(metric_of_agent slow_turns_total)
  longest=$(curl -fsS "http://127.0.0.1:$(port_of agent http)/metrics" |
    sed -n 's/^entropyd_agent_longest_turn_seconds //p')
  memory=$(memory_of "$pid" VmHWM)
  delay=$(awk '{printf "%.0f", $2 / 1e6}' "/proc/$pid/task/$pid/schedstat")
  echo "process $pid: $memory KiB at most; $slow slow turns, the longest $longest s; $delay ms without a processor"
  [ -z "${JUDGE_TURNS:-}" ] || [ $(((slow - 2) * WORK_MS)) -le "$delay" ] || die "turns were slow through their work"
  [ "$memory" -le "$MOST_RSS_KIB" ] || die "$memory KiB; $MOST_RSS_KIB are allowed"
}

guests() {  # NAME SOCKET GUESTS[xCONNECTIONS] OUTSTANDING BYTES INTERVAL_MS
  spawn "$1" nice "$BIN/it_egd_guests" "$1.control" "${@:2}"
  eventually 30 test -p "$1.control"
}
have_answered() {  # LINE NAME…
  local names=("${@:2}")
  [ "$(grep -l "^{\"name\": \"$1\"" "${names[@]/%/.log}" | wc -l)" = ${#names[@]} ]
}
# tell LINE NAME…: ends an interval of all of them at once; they answer in their logs.
tell() {
  local line=$1 name
  shift
  for name; do put "$name.control" "$line"; done
  eventually 30 have_answered "$line" "$@"
}
# attack NAME PROCESSES KIND=SOCKET:COUNT…: it_egd_attackers, with a seed that its last line shows.
attack() {
  local name=$1
  shift
  spawn "$name" nice "$BIN/it_egd_attackers" "$RANDOM" "$@"
}

# Either process stops at each message. Signals come meanwhile, in a random order, and then it goes on.
. "$HERE/handover-steps/steps.sh"
SEED=${SEED:-$RANDOM}
echo "the same again: SEED=$SEED"
RANDOM=$SEED

# tell GIVER TAKER MESSAGE: some signals to the one, to the other or to both. Sets `told`, e.g. "giver TERM, ". When it
# has got Serving, the giver may have ended.
tell() {
  local signals=(HUP USR2 TERM) roles=(giver taker) pids=("$1" "$2") i
  told=
  for ((i = RANDOM % 3; i >= 0; --i)); do
    local to=$((RANDOM % 2)) signal=${signals[RANDOM % 3]}
    kill "-$signal" "${pids[to]}" || [[ $told = *TERM* ]] || [ "$3" = serving ] || die "the ${roles[to]} has ended"
    told+="${roles[to]} $signal, "
  done
}

# Waits until one process serves and stays, or none is left. Sets `settled`, its pid or nothing.
settle() {
  local limit=$((SECONDS + 90)) same=0 before=- now
  while [ $same -lt 4 ]; do
    [ $SECONDS -lt $limit ] || die "it does not settle: $(ps -o pid,stat,args -p "$(agents | paste -sd,)")"
    sleep 0.25
    now=$(agents)
    if [ "$now" = "$before" ] && { [ -z "$now" ] || serves "$now"; }; then same=$((same + 1)); else same=0; fi
    before=$now
  done
  settled=$now
}

is_stopped() { grep '^State:.*stopped' "/proc/$1/status" >/dev/null; }

# expected ROLE MESSAGE: who may serve afterwards, "somebody", "nobody" or "any".
expected() {
  if [[ $told != *TERM* ]]; then
    echo somebody
  # The giver turns on while it waits for Request, and so does the taker.
  elif [ "$1" = taker ] && [[ $2 = begin || $2 = offer ]]; then
    if [[ $told = *"giver TERM"* ]]; then echo nobody; else echo somebody; fi
  else
    echo any
  fi
}

stopped() {  # ROLE MESSAGE WHEN
  local old self taker want
  old=$(pid_of agent)
  start_watch
  from_here agent
  begin_step "$@" stop
  mv agent.ports ports.before
  kill -USR2 "$old"
  eventually 30 test -e step.done
  self=$(cat step.pid)
  eventually 5 is_stopped "$self"
  taker=$(sed -n 's/.*event=upgrade.started .* pid=//p' agent.log | tail -n 1)
  tell "$old" "$taker" "$2"
  kill -CONT "$self"
  settle
  want=$(expected "$1" "$2")
  echo "$1 stopped, $2 $3; ${told}then ${settled:-nobody}"
  ! logged agent 'ended by signal' || die "a process ended by a fault"
  if [ -n "$settled" ]; then
    [ "$want" != nobody ] || die "somebody serves"
    [ -s agent.ports ] || [ "$settled" != "$old" ] || mv ports.before agent.ports
    eventually 15 test -s agent.ports
    echo "$settled" >agent.pid
    eventually 15 main_pid_is "$settled"
    all_doors "$settled"
    if [ "$want" = any ]; then end_watch '"surplus": 0, "blocks_twice": 0'; else noticed_nothing watch >/dev/null; fi
  else
    [ "$want" != somebody ] || die "nobody serves"
    end_watch '"surplus": 0, "blocks_twice": 0'
    ! compgen -G '*.sock*' >/dev/null || die "socket files were left behind: $(compgen -G '*.sock*')"
    nobody_serves
  fi
}

for message in begin request prepared serving; do
  for when in before sent; do stopped taker $message $when; done
  stopped giver $message received
done
for message in offer numbers connections go; do
  for when in before sent; do stopped giver $message $when; done
  stopped taker $message received
done

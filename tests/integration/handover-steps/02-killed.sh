# For each message of a handover: kill -9 of the giver and of the taker, right before it is sent and right after.
. "$HERE/handover-steps/steps.sh"

# killed WHO ROLE MESSAGE WHEN DEED SERVING: afterwards the old process serves, a new one or nobody. `unsure` = the
# giver may have sent Go, or not, before the taker had died.
killed() {
  local who=$1 serving=$6 old
  shift
  set -- "$1" "$2" "$3" "$4"
  old=$(pid_of agent)
  start_watch
  from_here agent
  begin_step "$@"
  mv agent.ports ports.before
  kill -USR2 "$old"
  eventually 30 test -e step.done
  if [ "$serving" = unsure ]; then
    eventually 15 decided "$old"
    if agents_are "$old"; then serving=old; else serving=nobody; fi
  fi
  case $serving in
    old)
      mv ports.before agent.ports
      eventually 15 agents_are "$old"
      main_pid_is "$old" || die "the manager takes $(main_pid) for the service"
      eventually 15 logged agent upgrade.failed ;;
    new)
      eventually 15 is_gone "$old"
      serving_pid >agent.pid
      agents_are "$(pid_of agent)" || die "more than one process is left"
      eventually 15 is_main
      eventually 15 test -s agent.ports ;;
    nobody) lost_all; nobody_serves ;;
  esac
  [ $serving = nobody ] || noticed_nothing watch >/dev/null
  all_doors "$(pid_of agent)"
  echo "$who killed, $2 $3: $serving"
}

decided() { agents_are_none || { agents_are "$1" && logged agent upgrade.failed; }; }

# Who sends it, and who serves when the giver or the taker is killed before and after it.
while read -r message sender before_giver before_taker after_giver after_taker; do
  if [ "$sender" = giver ]; then receiver=taker; else receiver=giver; fi
  declare -A before=([giver]=$before_giver [taker]=$before_taker) after=([giver]=$after_giver [taker]=$after_taker)
  killed "$sender" "$sender" "$message" before kill-self "${before[$sender]}"
  killed "$receiver" "$sender" "$message" before kill-peer "${before[$receiver]}"
  killed "$sender" "$sender" "$message" sent kill-self "${after[$sender]}"
  killed "$receiver" "$receiver" "$message" received kill-self "${after[$receiver]}"
done <<'STEPS'
begin       taker  nobody old  nobody old
offer       giver  nobody old  nobody old
request     taker  nobody old  nobody old
numbers     giver  nobody old  nobody old
connections giver  nobody old  nobody old
prepared    taker  nobody old  nobody unsure
go          giver  nobody old  new    nobody
serving     taker  new    nobody new  nobody
STEPS

# SIGTERM while a successor has its offer: the old one ends as it would without it, and the new one learns why.
. "$HERE/handover/upgrades.sh"
is_running agent || start_agent
for request in no yes; do
  old=$(pid_of agent)
  rm -f say offered.log agent.status
  mkfifo say
  # Open for both: a successor that has already been refused reads no more, and `echo` must not wait for it.
  exec {say}<>say
  /usr/bin/python3 "$HERE/handover/offered.py" "$WORK/agent.sock.handover" <say >offered.log 2>&1 &
  eventually 5 grep -q '^offered' offered.log
  kill -TERM "$old"
  [ $request = no ] || echo go >&$say
  eventually 3 test ! -d "/proc/$old"
  eventually 3 grep -Eq '^(refused: .*this agent is stopping|closed)' offered.log
  exec {say}>&-
  [ ! -e egd.sock ] || die "the old one left its socket behind"
  tail -n 1 agent.log | grep 'event=agent.stopped handed_over=false' >/dev/null ||
    die "the old one did not end in order"
  start_agent
  eventually 10 egd egd.sock read 4096
done

# An upgrade that has only just begun ends with the agent: nobody serves afterwards.
old=$(pid_of agent)
kill -STOP "$(pid_of server)"
kill -USR2 "$old"
eventually 5 pgrep -P "$old"
child=$(pgrep -P "$old")
kill -TERM "$old"
eventually 3 test ! -d "/proc/$old"
eventually 5 test ! -d "/proc/$child"
kill -CONT "$(pid_of server)"
[ ! -e egd.sock ] || die "somebody serves"
start_agent
eventually 10 egd egd.sock read 4096

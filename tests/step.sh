#!/usr/bin/env bash
# step.sh NAME SECONDS COMMAND…: one step of tests/run.sh, as ctest starts it (tests/CMakeLists.txt).
#
# The step gets SECONDS, then a SIGTERM so that it can clean up, and half a minute later a SIGKILL.
# With ENTROPYD_TEST_LOGS its output goes to NAME.log in that folder, with the time at its end; when
# it fails, the last lines are shown. Without, it goes where ctest wants it.
set -u
name=$1 seconds=$2
shift 2
log=
if [ -n "${ENTROPYD_TEST_LOGS:-}" ]; then
  log=$ENTROPYD_TEST_LOGS/${name//\//-}.log
  mkdir -p "$ENTROPYD_TEST_LOGS"
  exec 3>&1 >"$log" 2>&1
fi
# A test that runs tests of its own (unit/asan) does not write their logs.
unset ENTROPYD_TEST_LOGS

# In the background: a shell that waits for a program handles no signal before the program ends.
# Nothing that it leaves behind holds what ctest reads to its end.
timeout --kill-after=30 "$seconds" "$@" </dev/null 3>&- &
child=$!
trap 'kill -TERM $child 2>/dev/null' INT TERM
wait $child
status=$?
# A wait that a signal ended is not the end of the program.
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done

# `timeout` leads a process group. What a step has started ends with it.
left() { ps -e -o pgid=,pid=,args= | awk -v group=$child '$1 == group'; }
for ((tries = 0; tries < 50; tries++)); do
  [ -n "$(left)" ] || break
  sleep 0.1
done
if [ -n "$(left)" ]; then
  echo "step.sh: $name ended and left behind (process group, process, command):"
  left
  kill -KILL -- -$child
  [ $status != 0 ] || status=1
fi

[ $status != 124 ] || echo "step.sh: $name did not end within $seconds s"
if [ -n "$log" ]; then
  echo "-- $name: $SECONDS s; processor time, user and system, of step.sh and of what it ran:"
  times
  [ $status = 0 ] || { echo "---- last lines of ${log#"$PWD/"}"; tail -n 60 "$log"; echo ----; } >&3
fi
exit $status

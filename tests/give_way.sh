#!/usr/bin/env bash
# give_way.sh COMMAND…: runs it on the processor time that others leave, for builds beside suites.
#
# SCHED_IDLE gives way to others of its session; the kernel's autogroups share between sessions whatever the
# policies in them, so it gets a session of its own, which is nice. Where neither is to be had it just runs.
set -u
# shellcheck disable=SC2016  # expanded by the inner shell
setsid bash -c '
  { echo 19 >/proc/self/autogroup; } 2>/dev/null
  if chrt --idle 0 true 2>/dev/null; then exec chrt --idle 0 "$@"; else exec "$@"; fi' _ "$@" &
child=$!
trap 'kill -TERM -- "-$child" 2>/dev/null' INT TERM
wait "$child"

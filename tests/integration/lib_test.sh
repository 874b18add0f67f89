#!/usr/bin/env bash
# The vocabulary of the suites (lib.sh) fails where a test would be wrong to go on.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d /tmp/entropyd-lib.XXXXXX)
export HERE WORK
PATIENCE=1
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"

# refuses PATTERN command… : it ends its shell, and says why.
refuses() {
  local pattern=$1 said
  shift
  if said=$( ("$@") 2>&1); then die "'$*' went on: $said"; fi
  grep -q "$pattern" <<<"$said" || die "'$*' does not say '$pattern': $said"
}

# A figure that is not there is no 0.
mkdir served
printf '# HELP figure_total x\nfigure_total{a="1"} 3\nfigure_total{a="2"} 4\nnothing_total 0\n' >served/metrics
cat >serve.py <<'PY'
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="served")
with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
    print(f"http={server.server_port}", file=open(sys.argv[1] + ".new", "w"), flush=True)
    import os; os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.serve_forever()
PY
spawn page /usr/bin/python3 serve.py page.ports
eventually 20 test -s page.ports
[ "$(metric page '^figure_total')" = 7 ]
[ "$(metric page '^nothing_total')" = 0 ]
metric_is page '^figure_total' -ge 7
if metric_is page '^figure_total' -gt 7; then die "7 is above 7"; fi
if metric_is page 'figure_tota{' = 0; then die "a series that is not there is 0"; fi
refuses 'page has no series that matches /figure_tota{/' metric page 'figure_tota{'
refuses 'ended with status 143 instead of 0' stop page
rm page.pid
refuses '/metrics of page does not answer' metric page figure_total

# A wait is told, and judged elsewhere; a wait that nobody told is no short one.
WAITS=told waited 'a guest' 12.5 10 >said
grep -Fqx 'a guest: longest wait 12.5 ms (a bar of tests/bench: 10 ms)' said
[ "$(cat told)" = '{"case": "a guest", "ms": 12.5, "bar_ms": 10}' ]
refuses "a guest: nobody says how long it waited: ''" waited 'a guest' '' 10

# What ends is asked how.
spawn polite bash -c 'trap "exit 0" TERM; while :; do sleep 0.05; done'
eventually 5 is_running polite
sleep 0.3 # until it has a handler
stop polite
spawn crashing bash -c 'trap "kill -SEGV \$\$" TERM; while :; do sleep 0.05; done'
sleep 0.3
if crashed; then die "nothing has crashed yet"; fi
refuses 'crashing ended with status 139 instead of 0' stop crashing
refuses 'crashing had ended before it was told to' stop crashing
crashed 2>said || die "a crash went unnoticed"
grep -q '^FAILED: crashing (pid [0-9]*) was ended by SIGSEGV$' said
rm crashing.pid crashing.exit
spawn failing bash -c 'exit 3'
refuses "failing ended with status '3' instead of 0" ends failing 5
ends failing 5 3
refuses "failing ended with status '' instead of 3" ends failing 5 3
spawn watch bash -c 'trap "exit 1" TERM; while :; do sleep 0.05; done'
sleep 0.3
refuses 'still not so after 1 s: has_ended watch' ends watch 1
refuses "watch ended with status '1' instead of 0" noticed_nothing watch
rm watch.pid
spawn deaf bash -c 'trap "" TERM; while :; do sleep 0.05; done'
sleep 0.3
refuses 'deaf did not end within 1 s of SIGTERM' stop deaf 1
murder deaf
if crashed; then die "SIGKILL comes from a step, and is no crash"; fi

# Who took over from a process that was spawned is not ours to wait for: its last word tells.
for last_word in 'event=agent.stopped handed_over=false' '"event":"agent.stopped","handed_over":true' \
  'event=agent.stopped reason="x"' 'event=agent.stopping'; do
  spawn elder bash -c 'trap "exit 7" TERM; while :; do sleep 0.05; done'
  sleep 0.3
  setsid bash -c 'trap "echo \"\$1\"; exit 7" TERM; while :; do sleep 0.05; done' _ "$last_word" >>elder.log &
  elder=$(pid_of elder)
  echo $! >elder.pid
  sleep 0.3
  case $last_word in
    *handed_over*) stop elder ;;
    *)
      refuses 'its last word is not that it stopped' stop elder
      rm elder.pid
      ;;
  esac
  kill "$elder"
done

# Who has ended has no memory, be it that nobody has asked how.
[ "$(memory_of $$)" -gt 0 ]
spawn parent bash -c 'true & echo $!; exec sleep 60'
is_zombie() { grep -q '^State:.*zombie' "/proc/$(cat parent.log)/status"; }
eventually 5 is_zombie
if memory_of "$(cat parent.log)"; then die "a zombie has memory"; fi
if memory_of none 2>/dev/null; then die "nobody has memory"; fi
stop parent 5 143

# A certificate that cannot be read has not expired.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -subj /CN=x -days 1 \
  -out valid 2>/dev/null
if has_expired valid; then die "it is valid for a day"; fi
if has_expired none 2>/dev/null; then die "there is none"; fi

# What was logged before does not count, nor what is not there.
echo 'event=one' >some.log
logged some event=one
from_here some
if logged some event=one; then die "an old line counts"; fi
echo 'event=two' >>some.log
logged some 'event=(two|three)'
lacks some.log three
if lacks some.log two >/dev/null; then die "it has that line"; fi
if lacks none.log two 2>/dev/null; then die "a file that is not there lacks nothing"; fi
alike 1 1
differ 1 2
for pair in '1 2' ' 1' '1 ' ' '; do
  if alike "${pair% *}" "${pair#* }"; then die "'$pair' are alike"; fi
done
for pair in '1 1' ' 1' '1 ' ' '; do
  if differ "${pair% *}" "${pair#* }"; then die "'$pair' do not differ"; fi
done
mkdir empty
is_empty empty
touch empty/file
if is_empty empty; then die "there is a file"; fi
if is_empty none 2>/dev/null; then die "what is not there is not empty"; fi

refuses 'still not so after 1 s: false' eventually 1 false
PATIENCE=2 refuses 'still not so after 2 s: false' eventually 1 false
refuses 'exit 0 instead of 1' expect_failure 1 anything true
refuses "no /nothing/ in what 'false' said" expect_failure 1 nothing false
echo "lib_test: the vocabulary swallows nothing"

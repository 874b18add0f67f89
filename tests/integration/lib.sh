# The vocabulary of the integration steps. Sourced; wants ROOT, BIN, WORK and HERE.
#
# Processes are started with `spawn NAME command…`: output to WORK/NAME.log, pid in WORK/NAME.pid.
#
# What a test must not swallow fails by itself: a figure that /metrics lacks (metric), a process that ends
# otherwise than the step says (stop, ends), or by a fault (crashed, at the end of each suite).

die() { echo "FAILED: $*" >&2; exit 1; }

# A limit says when to give up, and not how long something may take, which tests/bench measures. Where more runs than
# there are processors, all takes longer: what a step waits for gets so many times its limit.
PATIENCE=${PATIENCE:-3}
# eventually SECONDS command… : until it succeeds.
eventually() {
  local seconds=$(($1 * PATIENCE)) limit
  limit=$((SECONDS + seconds)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || die "still not so after $seconds s: $*"
    sleep 0.1
  done
}

# from_here NAME: what NAME has logged so far does not count for `logged` any more.
from_here() { wc -l <"$WORK/$1.log" >"$WORK/$1.from"; }
# logged NAME PATTERN: whether NAME has logged such a line (grep -E) since then, or at all if nobody said.
logged() {
  local from=0
  [ ! -f "$WORK/$1.from" ] || from=$(cat "$WORK/$1.from")
  grep -Eq -- "$2" < <(tail -n "+$((from + 1))" "$WORK/$1.log")
}
# lacks FILE PATTERN: whether a file that is there has no such line (grep -E). It shows the lines that it has.
lacks() {
  local status=0
  grep -E -- "$2" "$1" || status=$?
  [ $status = 1 ]
}
# Whether both are there, and are the same or not: what failed and said nothing is neither.
alike() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" = "$2" ]; }
differ() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" != "$2" ]; }
is_empty() { [ "$(find "$1" | wc -l)" = 1 ]; }  # DIRECTORY
# is_ready NAME: its /readyz says so.
is_ready() { curl -fsS "http://127.0.0.1:$(port_of "$1" http)/readyz"; }

# waited WHAT MS BAR_MS: prints how long somebody waited. A suite runs beside others, and only says it. tests/bench runs
# it alone, with WAITS=FILE, and judges what is written there.
waited() {
  [[ $2 =~ ^[0-9]+([.][0-9]+)?$ ]] || die "$1: nobody says how long it waited: '$2'"
  echo "$1: longest wait $2 ms (a bar of tests/bench: $3 ms)"
  [ -z "${WAITS:-}" ] || printf '{"case": "%s", "ms": %s, "bar_ms": %s}\n' "$@" >>"$WAITS"
}

# put PIPE WORD…: a line into a named pipe, whose reader may have ended, which must not be waited for.
put() { timeout 10 bash -c 'echo "${*:2}" >"$1"' _ "$@" || die "nobody reads $1"; }

# spawn NAME command…: a shell beside it waits, and writes `PID STATUS` to NAME.exit when it has ended.
spawn() {
  local name=$1; shift
  rm -f "$WORK/$name.pid" "$WORK/$name.exit"
  {
    status=0
    setsid "$@" >>"$WORK/$name.log" 2>&1 </dev/null &
    echo $! >"$WORK/$name.spawned"
    mv "$WORK/$name.spawned" "$WORK/$name.pid"
    wait $! || status=$?
    echo "$! $status" >"$WORK/$name.exit.new"
    mv "$WORK/$name.exit.new" "$WORK/$name.exit"
  } >/dev/null 2>&1 </dev/null 3>&- &
  until [ -s "$WORK/$name.pid" ]; do sleep 0.01; done
  cp "$WORK/$name.pid" "$WORK/$name.child"
}
pid_of() { cat "$WORK/$1.pid"; }
is_running() { kill -0 "$(pid_of "$1")" 2>/dev/null; }
has_ended() { ! is_running "$1"; }

# exit_status NAME: what NAME ends with, within 10 s: 128 + signal when one killed it. Nothing for a
# process that took over from the one that was spawned: it is not ours to wait for (`stop` reads its last word).
exit_status() {
  local pid
  pid=$(pid_of "$1")
  [ "$pid" = "$(cat "$WORK/$1.child" 2>/dev/null)" ] || return 0
  eventually 10 grep -q "^$pid " "$WORK/$1.exit"
  sed "s/^$pid //" "$WORK/$1.exit"
}

# stop NAME [SECONDS [STATUS]]: SIGTERM, and it must end within the time (default 5 s) with that status
# (default 0: a crash on the way out is a failure; 143 is for what has no handler).
stop() {
  local pid seconds=$((${2:-5} * PATIENCE)) limit status
  limit=$((SECONDS + seconds + 1))
  pid=$(pid_of "$1")
  kill -TERM "$pid" || die "$1 had ended before it was told to"
  while kill -0 "$pid" 2>/dev/null; do
    [ $SECONDS -lt $limit ] || die "$1 did not end within $seconds s of SIGTERM"
    sleep 0.05
  done
  status=$(exit_status "$1")
  if [ -n "$status" ]; then
    [ "$status" = "${3:-0}" ] || die "$1 ended with status $status instead of ${3:-0}"
  else
    tail -n 1 "$WORK/$1.log" | grep -E 'agent\.stopped"?[ ,].*handed_over' >/dev/null ||
      die "$1 took over from another process, and its last word is not that it stopped: $(tail -n 1 "$WORK/$1.log")"
  fi
  rm -f "$WORK/$1.pid"
}
# ends NAME SECONDS [STATUS]: it ends by itself within the time, with that status (default 0).
ends() {
  local status
  eventually "$2" has_ended "$1"
  status=$(exit_status "$1")
  [ "$status" = "${3:-0}" ] ||
    die "$1 ended with status '$status' instead of ${3:-0}: $(tail -n 3 "$WORK/$1.log")"
  rm "$WORK/$1.pid"
}
murder() {  # kill -9
  local pid
  pid=$(pid_of "$1")
  kill -KILL "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  rm -f "$WORK/$1.pid"
}
# noticed_nothing NAME: ends that it_egd_watch, which must have got bytes, and must have seen no connection close, and
# no byte missing, surplus or twice: its status says so.
noticed_nothing() {
  kill -TERM "$(pid_of "$1")"
  ends "$1" 30
  tail -n 1 "$WORK/$1.log"
}
stop_everything() {
  local file pid
  for file in "$WORK"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    kill -CONT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
  done
  for _ in $(seq 60); do
    local alive=0
    for file in "$WORK"/*.pid; do
      [ -f "$file" ] && kill -0 "$(cat "$file")" 2>/dev/null && alive=1
    done
    [ $alive = 1 ] || return 0
    sleep 0.05
  done
  for file in "$WORK"/*.pid; do
    [ -f "$file" ] && kill -KILL "$(cat "$file")" 2>/dev/null
  done
  return 0
}

# crashed: names each spawned process that a fault of its own ended, and succeeds if there was one. SIGKILL and
# SIGTERM come from the steps.
crashed() {
  local file pid status found=1
  for file in "$WORK"/*.exit; do
    [ -f "$file" ] || continue
    read -r pid status <"$file"
    case $status in
      132|133|134|135|136|139|159)
        file=${file##*/}
        echo "FAILED: ${file%.exit} (pid $pid) was ended by SIG$(kill -l $((status - 128)))" >&2
        found=0 ;;
    esac
  done
  return $found
}

# finish STATUS [--keep]: the end of whoever uses this vocabulary. Ends what runs, and exits with STATUS, or with 1 when
# a fault has ended a process. Then it shows the ends of the logs. Removes WORK, or names it.
finish() {
  local status=$1 log
  trap - ERR
  set +e
  stop_everything
  ! crashed || status=1
  if [ "$status" != 0 ]; then
    for log in "$WORK"/*.log; do
      [ ! -f "$log" ] || { echo "---- ${log##*/}"; tail -n 25 "$log"; }
    done
  fi
  cd /
  # Who ends may still write.
  if [ "${2:-}" = --keep ]; then echo "kept: $WORK"; else eventually 10 rm -rf "$WORK"; fi
  exit "$status"
}

# memory_of PID [FIELD]: in KiB, by default what is resident. Who has ended has none.
memory_of() { awk -v name="${2:-VmRSS}:" '$1 == name {print $2}' "/proc/$1/status" | grep .; }

# --- certificates ---------------------------------------------------------------------------------
make_pki() {
  "$BIN/entropyctl" pki init --dir "$WORK/pki" --name TEST
  issue server --spiffe spiffe://test/server --dns localhost --ip 127.0.0.1
  issue agent --spiffe spiffe://test/agent/h1
  issue reader --spiffe spiffe://test/reader/r1
  issue operator --spiffe spiffe://test/operator/o1
}
issue() { local name=$1; shift; "$BIN/entropyctl" pki issue --dir "$WORK/pki" --name "$name" "$@"; }
# make_expired KEY CERTIFICATE: of that key. One that is valid for 0 days is expired a second later.
make_expired() {
  openssl req -new -key "$1" -subj /CN=expired -out "$2.csr"
  openssl x509 -req -in "$2.csr" -CA "$WORK/pki/ca.crt" -CAkey "$WORK/pki/ca.key" -CAcreateserial -days 0 \
    -out "$2" 2>/dev/null
  eventually 5 has_expired "$2"
}
has_expired() { [ "$(openssl x509 -in "$1" -noout -checkend 0)" = 'Certificate will expire' ]; }

# --- configurations -------------------------------------------------------------------------------
# server_yaml [extra source lines]: software sources only, so that any machine can run it.
server_yaml() {
  cat <<YAML
listen: 127.0.0.1:${GRPC_PORT:-0}
metrics: 127.0.0.1:0
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
allow_software: true
sources:
  - {name: kernel, driver: getrandom}
pools:
  - name: default
    quality: drbg
    sources: [kernel]
    classes:
      - {name: root, rate: 100MiB/s}
      - {name: gold, parent: root, rate: 10MiB/s}
      - {name: slow, parent: root, rate: 16KiB/s, ceil: 64KiB/s}
      - {name: secret, parent: root, rate: 1MiB/s}
policy:
  - {identity: "spiffe://test/agent/*", role: agent, allow: ["default/gold", "default/slow"]}
  - {identity: "spiffe://test/reader/*", role: reader, allow: ["default/*"]}
  - {identity: "spiffe://test/operator/*", role: operator}
YAML
}
agent_yaml() {  # port
  cat <<YAML
servers: ["localhost:$1"]
tls: {cert: $WORK/pki/agent.crt, key: $WORK/pki/agent.key, ca: $WORK/pki/ca.crt}
metrics: 127.0.0.1:0
control: $WORK/agent.sock
state_dir: $WORK/state
listeners:
  - {path: $WORK/egd.sock, mode: "0600", class: default/gold}
  - {path: $WORK/slow.sock, mode: "0600", class: default/slow}
YAML
}
client_yaml() {  # port certificate
  cat <<YAML
server: localhost:$1
tls: {cert: $WORK/pki/$2.crt, key: $WORK/pki/$2.key, ca: $WORK/pki/ca.crt}
control: $WORK/agent.sock
YAML
}
port_of() { sed -n "s/^$2=//p" "$WORK/$1.ports"; }  # NAME grpc|http

start_server() {
  [ -f "$WORK/server.yaml" ] || server_yaml >"$WORK/server.yaml"
  rm -f "$WORK/server.ports"
  spawn server "$BIN/entropyd" --config "$WORK/server.yaml" --ports-file "$WORK/server.ports"
  eventually 20 test -s "$WORK/server.ports"
  for who in agent reader operator; do
    client_yaml "$(port_of server grpc)" $who >"$WORK/$who.client.yaml"
  done
  eventually 20 is_ready server
}
start_agent() {
  [ -f "$WORK/agent.yaml" ] || agent_yaml "$(port_of server grpc)" >"$WORK/agent.yaml"
  rm -f "$WORK/agent.ports"
  spawn agent "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports"
  eventually 20 test -s "$WORK/agent.ports"
}
ctl() { "$BIN/entropyctl" --config "$WORK/${AS:-operator}.client.yaml" "$@"; }
egd() { /usr/bin/python3 "$HERE/egd_client.py" "$@"; }
# sum_of PATTERN: of the values of the series on standard input that match. There must be one.
sum_of() { awk -v p="$1" '$0 !~ /^#/ && $0 ~ p {s += $NF; n++} END {if (!n) exit 1; printf "%.0f\n", s}'; }
# metric server|agent PATTERN: the same, of its /metrics.
metric() {
  local page
  page=$(curl -fsS "http://127.0.0.1:$(port_of "$1" http)/metrics") || die "/metrics of $1 does not answer"
  sum_of "$2" <<<"$page" || die "$1 has no series that matches /$2/"
}
# metric_is server|agent PATTERN OPERATOR VALUE: as in `[ 3 -ge 2 ]`. Gauges are set once a second: wait for them.
metric_is() { test "$(metric "$1" "$2")" "$3" "$4"; }

# expect_failure STATUS PATTERN command… : fails as it should, and says why.
expect_failure() {
  local want=$1 pattern=$2 status=0 output
  shift 2
  output=$("$@" 2>&1) || status=$?
  [ "$status" = "$want" ] || die "exit $status instead of $want: $*: $output"
  grep -Eq -- "$pattern" <<<"$output" || die "no /$pattern/ in what '$*' said: $output"
}

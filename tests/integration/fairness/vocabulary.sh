# What the steps of this suite say beyond lib.sh. Sourced.
#
# A host N is an agent of its own. A crowd of guests obeys lines in NAME.control and answers in
# NAME.log (tests/integration/egd_guests.cc); judge.py reads what the crowds and the server say.
CROWDS='control same other class greedy bulk x y weighed.few weighed.many even.few even.many'

host_yaml() {  # N
  cat <<YAML
servers: ["localhost:$(port_of server grpc)"]
tls: {cert: $WORK/pki/h$1.crt, key: $WORK/pki/h$1.key, ca: $WORK/pki/ca.crt}
metrics: 127.0.0.1:0
control: $WORK/h$1.sock
state_dir: $WORK/state$1
listeners:
YAML
  local class
  for class in default/{gold,weighed,even,bulk,quiet} scarce/{x,y}; do
    echo "  - {path: $WORK/h$1.${class#*/}, mode: '0600', class: $class}"
  done
}
start_host() {  # N
  issue "h$1" --spiffe "spiffe://test/agent/h$1" >/dev/null
  host_yaml "$1" >"h$1.yaml"
  spawn "h$1" "$BIN/entropyd-hostagent" --config "$WORK/h$1.yaml" --ports-file "$WORK/h$1.ports"
  eventually 20 test -s "h$1.ports"
}

guests() {  # NAME SOCKET GUESTS[xCONNECTIONS] OUTSTANDING BYTES INTERVAL_MS
  spawn "$1" "${@:7}" "$BIN/it_egd_guests" "$1.control" "${@:2:5}"
  eventually 5 test -p "$1.control"
}
# What is measured is not how the processor is shared: guests have machines of their own.
greedy() { guests "$1" "$2" "$3" "$4" 255 0 nice -n 19; }  # NAME SOCKET GUESTS[xCONNECTIONS] OUTSTANDING
polite() { guests "$1" "$2" 8 1 64 50; }        # NAME SOCKET: 8 guests, 20 requests of 64 bytes a second each

have_answered() {  # TIMES LINE NAME…
  local name times
  for name in "${@:3}"; do
    times=$(grep -c "^{\"name\": \"$2\"" "$name.log" || [ $? = 1 ])
    [ "$times" -ge "$1" ] || return 1
  done
}
# tell LINE NAME…: ends an interval of all of them at once; they answer in their logs.
tell() {
  local line=$1 name before
  shift
  before=$(grep -c "^{\"name\": \"$line\"" "$1.log" || [ $? = 1 ])
  for name; do put "$name.control" "$line"; done
  eventually 15 have_answered $((before + 1)) "$line" "$@"
}

device_is() { ctl sources | awk -v name="$1" -v state="$2" '$1 == name && $4 == state {found = 1} END {exit !found}'; }

# A bar that is missed fails the suite at its end, when all figures have been shown.
MISSED=missed
judge() { /usr/bin/python3 "$HERE/fairness/judge.py" "$@" || echo "judge $*" >>$MISSED; }

# over NAME [SECONDS]: 10 s of everything that runs, to be judged by that name.
over() {
  tell "before-$1" $CROWDS
  judge snapshot "$(port_of server http)" "before-$1.snapshot"
  sleep "${2:-10.1}"
  judge snapshot "$(port_of server http)" "$1.snapshot"
  tell "$1" $CROWDS
}

# measure NAME SECONDS: `over`, and `bars`, which the step says. While this machine does something else, its
# processors may be too few for what the classes may have. Such a window shows that, and is repeated. What misses a
# bar whatever the machine does misses it each time.
measure() {
  local attempt
  MISSED=missed.now
  for attempt in 1 2 3 4; do
    rm -f missed.now
    over "$1" "$2"
    bars
    [ -s missed.now ] || break
    echo "   window $attempt of 4 at most"
  done
  MISSED=missed
  [ ! -s missed.now ] || cat missed.now >>missed
}

# simulated CEIL: what the scheduler itself says, of the tree of 01-start.sh with that ceiling of
# its root (KiB/s).
simulated() {
  sed "s/\"ceil\": 1024/\"ceil\": $1/" "$HERE/fairness/tree.json" >tree.json
  "$BIN/entropyctl" classes simulate tree.json -o json >simulated
}

# holds NAME: the bars that do not depend on the capacity.
holds() {
  judge polite "$1" same other class -- even "$1" weighed.few weighed.many \
    -- hosts "$1" weighed.few weighed.many 3 -- hosts "$1" even.few even.many 1
}

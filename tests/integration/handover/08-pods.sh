# A DaemonSet rolls with maxSurge: the new pod beside the old one, which is deleted when the new one is ready.
. "$HERE/handover/pods.sh"
start_world
pod one 1
pod two 2
start_pod one
eventually 10 answers one /readyz 200
grep -q 'event=handover.nobody' one.log
is_served_by "$(pid_of one)"
spawn node-watch "$BIN/it_egd_watch" "$NODE/run/egd.sock" 32 4 20

holds_nothing() { [ "$(pod_metric "$1" '^entropyd_agent_(guests|buffer_fill_bytes|owed_bytes)[{]')" = 0 ]; }
rolls() {  # OLD NEW
  local old=$1 new=$2
  start_pod "$new"
  eventually 15 answers "$new" /readyz 200
  is_served_by "$(pid_of "$new")" || die "$new is ready and does not serve"
  # The old one is healthy, so that nobody restarts it; it is not ready, serves nobody and holds nothing.
  answers "$old" /healthz 200 || die "$old would be restarted: $(cat answer)"
  answers "$old" /readyz 503
  grep -q 'another process has taken the guests over' answer
  eventually 3 holds_nothing "$old"
  [ "$(pod_metric "$new" '^entropyd_agent_guests[{]')" -ge 32 ]
  sleep 0.5
  is_running "$old" || die "$old ended: its container would be started again"
  delete_pod "$old"
  is_served_by "$(pid_of "$new")"
  in_pod "$new" "$BIN/entropyctl" --control /run/entropyd/agent.sock guests >/dev/null
}
rolls one two
rolls two one
[ "$(ls "$NODE/state")" = host_id ] || die "state: $(ls "$NODE/state")"

# A reload in a pod leaves the container's first process where it is, and the successor ends with it.
in_pod one "$BIN/entropyctl" --control /run/entropyd/agent.sock agent reload
eventually 10 answers one /readyz 200
child=$(server_of_node)
differ "$child" "$(pid_of one)" || die "no successor serves"
is_running one || die "the container has ended"
rolls one two
[ ! -d "/proc/$child" ] || die "the successor outlives its container"

noticed_nothing node-watch
delete_pod two

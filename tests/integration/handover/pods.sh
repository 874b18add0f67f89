# Pods as the DaemonSet's: each a network, mount and host name namespace of its own, in which the directories
# of sockets and of state are the node's. Sourced.
#
# NODE/run and NODE/state are what every pod has as hostPath; `world` is the network between them.
NODE=$WORK/node
in_world() { nsenter --target "$(pid_of world)" --net "$@"; }
in_pod() { local pod=$1; shift; nsenter --target "$(pid_of "$pod-pause")" --net --mount --uts --root "$@"; }

start_world() {
  mkdir -p "$NODE/run" "$NODE/state"
  # Nothing is done to a space from outside before it is known to be another one.
  spawn world unshare --net bash -euc '
    ip link set lo up
    ip address add 10.9.0.1/32 dev lo
    touch "$1/made"
    exec sleep infinity' _ "$NODE"
  eventually 5 test -e "$NODE/made"
  issue world --spiffe spiffe://test/server --ip 10.9.0.1
  server_yaml | sed -e 's/^listen: .*/listen: 10.9.0.1:0/' -e "s|pki/server\.|pki/world.|g" >world.yaml
  spawn world-server nsenter --target "$(pid_of world)" --net \
    "$BIN/entropyd" --config "$WORK/world.yaml" --ports-file "$WORK/world.ports"
  eventually 20 test -s world.ports
  cat >pod.yaml <<YAML
servers: ["10.9.0.1:$(port_of world grpc)"]
tls: {cert: $WORK/pki/agent.crt, key: $WORK/pki/agent.key, ca: $WORK/pki/ca.crt}
metrics: 0.0.0.0:9744
control: /run/entropyd/agent.sock
state_dir: /var/lib/entropyd-hostagent
listeners:
  - {path: /run/entropyd/egd.sock, mode: "0660", class: default/gold}
YAML
}
# pod NAME NUMBER: its spaces, with nothing running in them.
pod() {
  spawn "$1-pause" unshare --net --mount --uts --propagation private bash -euc '
    hostname "$1"
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var/lib
    mkdir /run/entropyd /var/lib/entropyd-hostagent
    mount --bind "$2/run" /run/entropyd
    mount --bind "$2/state" /var/lib/entropyd-hostagent
    touch /run/made
    exec sleep infinity' _ "$1" "$NODE"
  eventually 5 in_pod "$1" test -e /run/made
  in_world ip link add "v$2" type veth peer name eth0 netns "$(pid_of "$1-pause")"
  in_world ip address add "10.9.$2.1/24" dev "v$2"
  in_world ip link set "v$2" up
  in_pod "$1" ip link set lo up
  in_pod "$1" ip address add "10.9.$2.2/24" dev eth0
  in_pod "$1" ip link set eth0 up
  in_pod "$1" ip route add default via "10.9.$2.1"
}
# start_pod NAME: its container, with the manifest's own arguments.
start_pod() {
  local arguments
  arguments=$(sed -n 's/^ *args: \[\(.*\)\]$/\1/p' "$ROOT/deploy/kubernetes/base/agent.yaml" | tr -d ,)
  arguments=${arguments//\/etc\/entropyd\/agent.yaml/$WORK/pod.yaml}
  # shellcheck disable=SC2086
  spawn "$1" nsenter --target "$(pid_of "$1-pause")" --net --mount --uts --root "$BIN/entropyd-hostagent" $arguments
}
answers() {  # POD PATH CODE
  [ "$(in_pod "$1" curl -s -o "$WORK/answer" -w '%{http_code}' "http://127.0.0.1:9744$2")" = "$3" ]
}
pod_metric() {
  in_pod "$1" curl -fsS http://127.0.0.1:9744/metrics | sum_of "$2" || die "$1 has no series that matches /$2/"
}
server_of_node() { egd "$NODE/run/egd.sock" pid; }
is_served_by() { [ "$(server_of_node)" = "$1" ]; }
# delete_pod NAME: SIGTERM to its container's first process, as kubelet does; which ends well within a second.
delete_pod() {
  local began=${EPOCHREALTIME/[.,]/} took status
  kill -TERM "$(pid_of "$1")"
  status=$(exit_status "$1")
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
  rm "$1.pid"
  [ "$status" = 0 ] || die "$1 ended with status $status"
  [ $took -lt 1000 ] || die "$1 took $took ms to end"
}

# A machine of its own, to install packages and run units on: an overlay over this machine's files, booted by
# systemd-nspawn with a systemd of its own as its first process. It shares this machine's network, and is gone
# at the end. A test that sources this first starts anew in a mount namespace, in an empty $WORK of its own, with the
# vocabulary of the integration steps (lib.sh) and with ROOT, BIN, HERE set; whatever fails shows the machine's logs.
#
#   make_machine           the files, in $WORK/root; nothing that this machine has configured is started there
#   boot_machine           $MACHINE is the pid of its systemd; its /run and /tmp are its own
#   on_machine COMMAND…    run there
#   property_of UNIT NAME  what systemd says of a unit there
#   at_machine PATH        where this side finds a file of the running machine
#   configure_machine      server.yaml and agent.yaml in /etc/entropyd, for each other, with the certificates of
#                          make_pki; the listener is /run/entropyd/egd.sock

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { echo "$(basename "$0"): needs root, for mounts that nobody else sees" >&2; exit 1; }
  exec unshare --mount --propagation private "$0" --inside
fi
DEPLOY_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$DEPLOY_TESTS/../.." && pwd)
HERE=$ROOT/tests/integration
BIN=${BIN:-$ROOT/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-machine.XXXXXX)
export DEPLOY_TESTS ROOT HERE BIN WORK
. "$HERE/lib.sh"
leave() {
  local status=$?
  trap - ERR
  set +e
  if [ $status -ne 0 ]; then
    on_machine journalctl --no-pager --lines=40 --unit=entropyd --unit=entropyd-hostagent
    tail -n 20 "$WORK"/*.log "$WORK"/said 2>/dev/null
  fi
  [ -z "${MACHINE:-}" ] || kill -KILL "$MACHINE"
  stop_everything
  ! crashed || status=1
  cd /
  # Nothing is removed through a mount that is still there.
  if umount -R "$WORK"; then rm -rf "$WORK"; fi
  exit $status
}
trap leave EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR
set -E
mount -t tmpfs tmpfs "$WORK"
cd "$WORK" || exit

make_machine() {
  mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$WORK/root"
  # Nothing of this machine's is started there: units pull in sysinit.target, and no more.
  rm -rf "$WORK"/root/etc/systemd/system/*
  : >"$WORK/root/etc/fstab"
  tr -d - </proc/sys/kernel/random/uuid >"$WORK/root/etc/machine-id"
  cat >"$WORK/root/etc/systemd/system/test.target" <<'UNIT'
[Unit]
Description=A machine for a test
UNIT
}

boot_machine() {
  command -v systemd-nspawn >/dev/null || die "no systemd-nspawn here; run deploy/install-packages.sh test"
  spawn machine systemd-nspawn --directory="$WORK/root" --boot --register=no --keep-unit --console=pipe \
    --capability=CAP_IPC_LOCK --rlimit=RLIMIT_MEMLOCK=infinity systemd.unit=test.target
  local nspawn
  nspawn=$(pid_of machine)
  eventually 20 pgrep --parent "$nspawn" --exact systemd
  MACHINE=$(pgrep --parent "$nspawn" --exact systemd)
  eventually 20 on_machine systemctl is-active test.target
}

on_machine() {
  nsenter --target "$MACHINE" --mount --uts --ipc --pid --cgroup --root --wd=/ \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= "$@"
}

property_of() { on_machine systemctl show --property="$2" --value "$1"; }

configure_machine() {
  local etc=$WORK/root/etc/entropyd port
  port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir -p "$etc/tls"
  cp -r "$WORK/pki/." "$etc/tls"
  GRPC_PORT=$port server_yaml | sed "s|$WORK/pki|/etc/entropyd/tls|g" >"$etc/server.yaml"
  cat >"$etc/agent.yaml" <<YAML
servers: ["localhost:$port"]
tls: {cert: /etc/entropyd/tls/agent.crt, key: /etc/entropyd/tls/agent.key, ca: /etc/entropyd/tls/ca.crt}
metrics: 127.0.0.1:0
control: /run/entropyd/agent.sock
listeners:
  - {path: /run/entropyd/egd.sock, mode: "0660", class: default/gold}
YAML
}

at_machine() { echo "/proc/$MACHINE/root$1"; }

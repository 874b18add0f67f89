#!/usr/bin/env bash
# Records the frames of a handover between two agents of one version, with the guests of record.py.
#
#   BIN=…/build/release/bin tests/vectors/handover-0.1.0/record.sh OUT
#
# BIN holds entropyd, entropyd-hostagent and entropyctl of that version. Writes OUT/NN-WHO-MESSAGE.bin.
set -euo pipefail
out=$(realpath "${1:?usage: record.sh OUT}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$here/../../.." && pwd)
HERE=$ROOT/tests/integration
WORK=$(mktemp -d /tmp/entropyd-record.XXXXXX)
export BIN ROOT HERE WORK
. "$HERE/lib.sh"
trap 'set +e; stop_everything; rm -rf "$WORK"' EXIT
cd "$WORK"

make_pki
start_server
mkdir libvirt
cat >agent.yaml <<YAML
servers: ["localhost:$(port_of server grpc)"]
tls: {cert: $WORK/pki/agent.crt, key: $WORK/pki/agent.key, ca: $WORK/pki/ca.crt}
metrics: 127.0.0.1:0
control: $WORK/agent.sock
state_dir: $WORK/state
libvirt_dir: $WORK/libvirt
classes:
  default/slow: {guest_ceil: 4KiB/s}
listeners:
  - {path: $WORK/gold.sock, mode: "0600", class: default/gold}
  - {path: $WORK/secret.sock, mode: "0600", class: default/secret}   # the server refuses it
  - {path: $WORK/qemu.sock, mode: "0600", class: default/gold, clients: qemu}
  - {path: $WORK/known.sock, mode: "0600", class: default/gold, identify: libvirt}
  - {fifo: $WORK/slow.fifo, class: default/slow}
YAML
start_agent
old=$(pid_of agent)
ctl guests add web1 --class default/gold --path "$WORK/web1.sock"
head -c 512 slow.fifo >/dev/null
spawn guests bash -c 'exec /usr/bin/python3 "$0" guests "$1" < <(exec sleep infinity)' "$here/record.py" "$WORK"
eventually 20 grep -q ready guests.log
spawn relay /usr/bin/python3 "$here/record.py" relay "$WORK" "$out"
eventually 10 grep -q ready relay.log
rm agent.ports
spawn agent "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports" --take-over
eventually 20 test ! -d "/proc/$old"
sleep 0.2
ls -l "$out"

#!/usr/bin/env bash
# The units: verify without a word, stay hardened, and start the real programs with their real flags.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HERE=$HERE/../integration ROOT=$HERE/../.. DEPLOY_TESTS=$HERE
BIN=${BIN:-$(cd "$ROOT" && pwd)/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-sd.XXXXXX)
export BIN WORK
. "$HERE/lib.sh"
trap 'stop_everything; rm -rf "$WORK"' EXIT
cd "$WORK"

# A unit's programs are where the package puts them; here they are where the build put them.
for unit in entropyd.service entropyd-hostagent.service; do
  sed "s|/usr/bin/|$BIN/|g" "$ROOT/deploy/systemd/$unit" >"$unit"
  said=$(systemd-analyze verify "$WORK/$unit" 2>&1) || die "$unit: $said"
  [ -z "$said" ] || die "$unit: systemd-analyze verify is not silent: $said"
  systemd-analyze security --offline=true --threshold=30 "$WORK/$unit" >security.txt ||
    die "$unit: more exposed than 3.0: $(tail -n 1 security.txt)"
  echo "$unit: verified, $(tail -n 1 security.txt | sed 's/.*: //')"
done
# The check can fail: an unknown key is said aloud (and only aloud: the exit status is 0).
sed 's/^NoNewPrivileges=/NoNewPrivilegez=/' entropyd.service >broken.service
[ -n "$(systemd-analyze verify "$WORK/broken.service" 2>&1)" ] || die "verify accepted an unknown key"

# ExecStart of each unit, with the configuration moved: it must say READY=1, and end on SIGTERM.
make_pki
server_yaml >server.yaml
"$BIN/entropyd" --config server.yaml --check-config
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s|^listen: .*|listen: 127.0.0.1:$port|" server.yaml
agent_yaml "$port" >agent.yaml
exec_start() { sed -n "s|^ExecStart=||p" "$1" | sed "s|/etc/entropyd/|$WORK/|g"; }
/usr/bin/python3 "$DEPLOY_TESTS/notify_test.py" $(exec_start entropyd.service)
/usr/bin/python3 "$DEPLOY_TESTS/notify_test.py" $(exec_start entropyd-hostagent.service)

# The sample configurations are checked by the programs they are for.
mkdir -p sample
for name in server agent; do
  sed -e "s|/etc/entropyd/tls/tls|$WORK/pki/$name|; s|/etc/entropyd/tls/ca|$WORK/pki/ca|" \
    "$ROOT/deploy/config/$name.yaml" >"sample/$name.yaml"
done
"$BIN/entropyd" --config sample/server.yaml --check-config
"$BIN/entropyd-hostagent" --config sample/agent.yaml --check-config
echo "systemd: units and sample configurations are fine"

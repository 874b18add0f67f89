#!/usr/bin/env bash
# The units: verify without a word, stay hardened, and start the real programs with their real flags.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DEPLOY_TESTS=$HERE
ROOT=$HERE/../..
HERE=$ROOT/tests/integration
export HERE ROOT DEPLOY_TESTS
BIN=${BIN:-$(cd "$ROOT" && pwd)/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-sd.XXXXXX)
export BIN WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"

# A unit's programs are where the package puts them; here they are where the build put them.
for unit in entropyd.service entropyd-hostagent.service entropyd-hostagent.socket; do
  # A socket unit is verified together with its service.
  sed "s|/usr/bin/|$BIN/|g" "$ROOT/deploy/systemd/$unit" >"$unit"
  said=$(systemd-analyze verify "$WORK/$unit" 2>&1) || die "$unit: $said"
  [ -z "$said" ] || die "$unit: systemd-analyze verify is not silent: $said"
  [[ $unit = *.service ]] || { echo "$unit: verified"; continue; }
  systemd-analyze security --offline=true --threshold=30 "$WORK/$unit" >security.txt ||
    die "$unit: more exposed than 3.0: $(tail -n 1 security.txt)"
  echo "$unit: verified, $(tail -n 1 security.txt | sed 's/.*: //')"
done
# The check can fail: an unknown key is said aloud (and only aloud: the exit status is 0).
sed 's/^NoNewPrivileges=/NoNewPrivilegez=/' entropyd.service >broken.service
systemd-analyze verify "$WORK/broken.service" >broken.said 2>&1
grep -q 'NoNewPrivilegez' broken.said || die "verify accepted an unknown key: $(cat broken.said)"

# ExecStart of each unit, with the configuration moved: it must say READY=1, and end on SIGTERM.
make_pki
server_yaml >server.yaml
"$BIN/entropyd" --config server.yaml --check-config
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s|^listen: .*|listen: 127.0.0.1:$port|" server.yaml
agent_yaml "$port" >agent.yaml
exec_start() { sed -n "s|^ExecStart=||p" "$1" | sed "s|/etc/entropyd/|$WORK/|g"; }
for unit in entropyd.service entropyd-hostagent.service; do
  read -ra command <<<"$(exec_start $unit)"
  /usr/bin/python3 "$DEPLOY_TESTS/notify_test.py" "${command[@]}"
done
# Whoever ends it in its first moments meets threads that begin to work: no crash on the way out.
for _ in {1..30}; do
  /usr/bin/python3 "$DEPLOY_TESTS/notify_test.py" "$BIN/entropyd-hostagent" --config agent.yaml >ended.log 2>&1 ||
    die "$(cat ended.log)"
done

# The agent to its manager: watchdog, status, reload; and what it is given: a socket that it did not make.
rm -f server.ports
start_server
agent_yaml "$(port_of server grpc)" >agent.yaml
/usr/bin/python3 "$DEPLOY_TESTS/watchdog_test.py" "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml"
spawn activated systemd-socket-activate --listen="$WORK/egd.sock" "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml"
eventually 5 test -S egd.sock
[ ! -e slow.sock ] || die "the agent runs before anybody asked for it"
egd egd.sock read 4096 # the first connection starts it, and is served
egd slow.sock read 100 # a listener of its own
grep -q "event=listener.inherited path=$WORK/egd.sock" activated.log
made=$(stat -c %i egd.sock)
before=$(egd egd.sock pid)
"$BIN/entropyctl" --control "$WORK/agent.sock" agent reload
after=$(egd egd.sock pid)
[ "$before" != "$after" ] || die "nothing was reloaded"
echo "$after" >activated.pid
stop activated
[ "$(stat -c %i egd.sock)" = "$made" ] || die "the manager's socket file is gone or another"
[ ! -e slow.sock ] || die "the agent's own socket file was left behind"
# A socket that no listener has is a mistake of somebody's.
spawn stray systemd-socket-activate --listen="$WORK/stray.sock" "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml"
eventually 5 test -S stray.sock
/usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$WORK/stray.sock"
eventually 5 grep -q "inherit $WORK/stray.sock: no listener of the configuration has this path" stray.log
ends stray 5 1

# The sample configurations are checked by the programs they are for.
mkdir -p sample
for name in server agent; do
  sed -e "s|/etc/entropyd/tls/tls|$WORK/pki/$name|; s|/etc/entropyd/tls/c|$WORK/pki/c|" \
    "$ROOT/deploy/config/$name.yaml" >"sample/$name.yaml"
done
"$BIN/entropyd" --config sample/server.yaml --check-config
"$BIN/entropyd-hostagent" --config sample/agent.yaml --check-config
echo "systemd: units and sample configurations are fine"

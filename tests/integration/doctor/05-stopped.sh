. "$HERE/doctor/vocabulary.sh"
port=$(sed -n 's/^listen: .*://p' server.yaml)
stop server
finds broken agent.servers "server localhost:$port: TCP: .*:$port: Connection refused"
finds broken server.process 'entropyd does not run with '
finds broken agent.service 'the agent is not attached to '

# Who may not read the keys is told what was not looked at.
chmod 700 pki
chmod 755 .
status=0
setpriv --reuid=65534 --clear-groups "$BIN/entropyctl" doctor --server-config "$WORK/server.yaml" \
  --agent-config "$WORK/agent.yaml" >doctor.out 2>&1 || status=$?
[ "$status" = 1 ]
grep -q '^unknown: agent.certificate: .*(run the doctor as root)$' doctor.out

# Where there is nothing, there is nothing to look at.
expect_failure 3 'no server and no agent is configured here' unshare --pid --fork --mount-proc --mount bash -euc '
  [ ! -d /etc/entropyd ] || mount -t tmpfs tmpfs /etc/entropyd
  exec "$1" doctor' _ "$BIN/entropyctl"

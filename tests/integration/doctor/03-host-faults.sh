. "$HERE/doctor/vocabulary.sh"
without_locks=(setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock prlimit --memlock=1048576:1048576)
restart_agent() {  # WORD…: what begins its command line
  stop agent
  rm -f agent.ports
  from_here agent
  spawn agent "$@" "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports"
  eventually 20 test -s agent.ports
}

# The policy lets agents at gold and slow only.
sed -i 's|default/slow}|default/secret}|' agent.yaml
restart_agent
eventually 20 logged agent 'class.phase.*secret'
finds_only broken agent.service 'class default/secret is closed'
cp good.agent.yaml agent.yaml

issue unknown --spiffe spiffe://test/nobody/x
sed -i 's|pki/agent|pki/unknown|g' agent.yaml
restart_agent
finds broken agent.servers 'no policy rule gives spiffe://test/nobody/x'
finds broken server.policy 'spiffe://test/nobody/x .* the role agent'

"$BIN/entropyctl" pki init --dir other --name OTHER
sed "s|$WORK/pki/ca.crt|$WORK/other/ca.crt|" good.agent.yaml >agent.yaml
restart_agent
finds broken agent.servers 'is not of a CA in .*/other/ca.crt'

# A name that the server's certificate does not have.
sed "s|ca.crt}|ca.crt, server_name: elsewhere.example}|" good.agent.yaml >agent.yaml
restart_agent
finds broken agent.servers 'does not have the name elsewhere.example'

sed "s|localhost:|nowhere.invalid:|" good.agent.yaml >agent.yaml
restart_agent
finds broken agent.servers 'server nowhere.invalid:[0-9]*: name: look up the name'

cp good.agent.yaml agent.yaml
restart_agent prlimit --nofile=150:150
eventually 30 logged agent upstream.attached
finds_only warning agent.descriptors 'may open 150 files, and needs 198'
restart_agent "${without_locks[@]}"
eventually 30 logged agent upstream.attached
finds_only warning agent.memory 'cannot lock its memory'
restart_agent
eventually 30 logged agent upstream.attached
is_well

# A file that the agent has not read yet.
sed "s|$WORK/slow.sock|$WORK/missing/slow.sock|" good.agent.yaml >agent.yaml
finds_only broken agent.sockets 'there is no directory .*/missing for '
cp good.agent.yaml agent.yaml
# Where others may put another socket.
mkdir -m 777 shared
sed "s|$WORK/slow.sock|$WORK/shared/slow.sock|" good.agent.yaml >agent.yaml
finds broken agent.config 'shared may be written by others'
grep -q "^  mend: chmod 0755 $WORK/shared$" doctor.out
rm -r shared
cp good.agent.yaml agent.yaml

. "$HERE/doctor/vocabulary.sh"
without_locks=(setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock prlimit --memlock=1048576:1048576)
restart_server() {  # WORD…: what begins its command line
  stop server
  rm -f server.ports
  spawn server "$@" "$BIN/entropyd" --config "$WORK/server.yaml" --ports-file "$WORK/server.ports"
}
serves() { eventually 20 test -s server.ports; eventually 30 ctl status; }

# The server that runs goes on with the old certificate.
make_expired pki/server.key old.crt
cp -p pki/server.crt good.crt
cp old.crt pki/server.crt
finds broken server.certificate 'server.crt: expired at '
# One that starts with it waits, without a port.
restart_server
eventually 10 logged server server.waiting
finds broken server.port "does not listen on port "
cp -p good.crt pki/server.crt
serves

cp -p pki/crl.pem good.pem
echo nonsense >pki/crl.pem
finds broken server.crl 'no revocation list in PEM'
cp -p good.pem pki/crl.pem
eventually 20 mended

chmod 604 pki/server.key
finds_only warning server.key 'others may use the key '
chmod 600 pki/server.key

sed -i 's|"spiffe://test/operator/\*"|"spiffe://test//operator"|' server.yaml
finds warning server.policy 'matches nobody: '
finds broken server.policy 'spiffe://test/operator/o1 \(client.yaml\) any role'
cp good.server.yaml server.yaml
eventually 20 mended

# Nobody may draw: the program's own check tells.
sed -i 's/role: agent/role: operator/; s/role: reader/role: operator/; s/, allow: .*}/}/' server.yaml
finds broken server.config 'no rule lets anybody draw'
cp good.server.yaml server.yaml
eventually 20 mended

restart_server prlimit --nofile=200:200
serves
finds_only warning server.descriptors 'may open 200 files, and needs 300'
restart_server "${without_locks[@]}"
serves
finds_only warning server.memory 'cannot lock its memory \(1048576 bytes, no CAP_IPC_LOCK\)'

# Anybody can start a program of this name: the word of a user whom no unit names does not count.
restart_server setpriv --reuid=65534 --clear-groups
finds broken server.process 'entropyd does not run with '
restart_server
serves
is_well

. "$HERE/classes/vocabulary.sh"
make_pki
{ server_yaml; echo "state_dir: $WORK/kept"; } >server.yaml
"$BIN/entropyd" --config server.yaml --check-config
[ ! -e kept ] || die "a check of the configuration made the state_dir"
start_server
start_agent
[ "$(stat -c %a kept)" = 700 ]
ctl classes diff | grep 'no difference' >/dev/null
[ "$(drift '[a-z]*')" = 0 ]

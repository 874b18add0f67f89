. "$HERE/local-fallback/vocabulary.sh"
make_pki
for name in one two; do
  server_yaml |
    sed -e "s|^listen: .*|listen: 127.0.0.1:$(free_port)|" \
      -e 's|"default/slow"|"default/slow", "default/thin", "keys/all"|' \
      -e 's|^      - {name: slow.*|&\n      - {name: thin, parent: root, rate: 100B/s, ceil: 100B/s}|' >"$name.yaml"
  sed -i 's|^policy:|  - {name: keys, quality: full, sources: [kernel], classes: [{name: all, rate: 1KiB/s}]}\n&|' \
    "$name.yaml"
  run_server "$name"
done
mkdir tls
cp pki/agent.crt tls/tls.crt
cp pki/agent.key tls/tls.key
agent_yaml 0 |
  sed -e "s|^servers: .*|servers: [\"localhost:$(port_of one grpc)\", \"localhost:$(port_of two grpc)\"]|" \
    -e "s|pki/agent|tls/tls|" >agent.yaml
cat >>agent.yaml <<YAML
  - {path: $WORK/keys.sock, mode: "0600", class: keys/all}
  - {path: $WORK/thin.sock, mode: "0600", class: default/thin}
defaults: {on_upstream_loss: local, buffer: 4KiB}  # lasts for less than two seconds
classes:
  default/slow: {on_upstream_loss: block}
YAML
start_agent
eventually 10 agent_says 'a["connected"]'
echo "primary: $(attached_name)"
spawn gold "$BIN/it_egd_watch" "$WORK/egd.sock" 4 1 100
spawn slow "$BIN/it_egd_watch" "$WORK/slow.sock" 4 1 100
ready() { [ "$(metric agent '^entropyd_agent_local_ready.class="default/gold"')" = 1 ]; }
eventually 10 ready
mode_is default/gold upstream
mode_is default/slow upstream
agent_says 'c["default/gold"]["local_ready"] and not c["default/slow"]["local_ready"]'
# Full-entropy bytes have no stand-in.
agent_says 'c["keys/all"]["local_refused"]'
grep -q 'event=class.local_refused class=keys/all' agent.log
eventually 10 metric_is agent '^entropyd_agent_local_refused.class="keys/all"' = 1
sleep 1
bar "gold at peace" gold 1000
bar "slow at peace" slow 1000

. "$HERE/attackers/vocabulary.sh"
ulimit -n 16384
make_pki >/dev/null
server_yaml | sed '/name: gold/s|rate: .*|rate: 1MiB/s, ceil: 1MiB/s}|' >server.yaml
start_server
mkdir libvirt
{
  agent_yaml "$(port_of server grpc)"
  cat <<YAML
  - {path: $WORK/primed.sock, mode: "0600", class: default/gold, clients: qemu}
  - {path: $WORK/known.sock, mode: "0600", class: default/gold, identify: libvirt}
libvirt_dir: $WORK/libvirt
YAML
} >agent.yaml
start_agent_first
for i in $(seq 0 23); do AS=agent ctl guests add "vm-$i" --class default/gold >/dev/null; done
spawn own "$BIN/it_egd_watch" "$WORK/guest/vm-{}.sock" 24x1 2 100
spawn plain "$BIN/it_egd_watch" "$WORK/egd.sock" 24x1 2 100
spawn known "$BIN/it_egd_watch" "$WORK/known.sock" 16x1 2 100
eventually 30 guests_are 64
# What the next process has is what one has with polite guests only.
upgrade
eventually 10 guests_are 64
descriptors "$(pid_of agent)" >descriptors
memory_of "$(pid_of agent)" >memory

make_pki
mkdir -p "$WORK/libvirt"
start_server
agent_yaml "$(port_of server grpc)" >"$WORK/agent.yaml"
cat >>"$WORK/agent.yaml" <<YAML
  - {path: $WORK/known.sock, mode: "0600", class: default/gold, identify: libvirt}
  - {path: $WORK/refuse.sock, mode: "0600", class: default/gold, identify: libvirt, unknown: refuse}
libvirt_dir: $WORK/libvirt
guest_metrics: all
classes:
  default/secret: {}   # the server's policy does not allow it to this host
  default/slow: {guest_ceil: 4KiB/s}
YAML
start_agent

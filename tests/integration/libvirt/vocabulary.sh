# What the steps of this suite say beyond lib.sh. Sourced.
#
# Two hosts, `hosta` and `hostb`, on this machine: libvirtd, QEMU and agent each, one server for
# both. What is at /run/entropyd on one is not what is there on the other.
init_of() { pgrep -P "$(pid_of "$1")" -o; }
on() {  # HOST command…
  local host=$1
  shift
  nsenter --target "$(init_of "$host")" --mount --uts --pid --root "$@"
}
virsh_on() { local host=$1; shift; on "$host" virsh --quiet --connect "$(uri_of "$host")" "$@"; }
uri_of() { echo "qemu+unix:///system?socket=/run/shared/$1/libvirt-sock"; }
libvirt_on() {  # HOST entropyctl's words behind `libvirt`
  local host=$1
  shift
  on "$host" "$BIN/entropyctl" --control /run/entropyd/agent.sock libvirt --connect "$(uri_of "$host")" "$@"
}

start_host() {
  rm -f "$1.host"
  spawn "$1" unshare --mount --uts --pid --fork --kill-child --propagation private \
    "$HERE/libvirt/host.sh" "$1" "$WORK"
  eventually 10 test -f "$1.host"
}
host_agent_yaml() {  # HOST
  cat <<YAML
servers: ["localhost:$(port_of server grpc)"]
tls: {cert: $WORK/pki/$1.crt, key: $WORK/pki/$1.key, ca: $WORK/pki/ca.crt}
metrics: 127.0.0.1:0
control: /run/entropyd/agent.sock
state_dir: /var/lib/libvirt/agent
listeners:
  - {path: /run/entropyd/egd.sock, mode: "0660", group: libvirt-qemu, class: default/gold, identify: libvirt}
  - {path: /run/entropyd/plain.sock, mode: "0600", class: default/gold}
classes: {default/gold: {}, default/slow: {}, default/secret: {}}
YAML
}
start_host_agent() {
  issue "$1" --spiffe "spiffe://test/agent/$1"
  host_agent_yaml "$1" >"$1.agent.yaml"
  rm -f "agent-$1.ports"
  spawn "agent-$1" nsenter --target "$(init_of "$1")" --mount --uts --pid --root \
    "$BIN/entropyd-hostagent" --config "$WORK/$1.agent.yaml" --ports-file "$WORK/agent-$1.ports"
  eventually 20 test -s "agent-$1.ports"
  eventually 20 is_ready "agent-$1"
}
class_of() {  # HOST DOMAIN: in which the host's agent serves it
  on "$1" "$BIN/entropyctl" --control /run/entropyd/agent.sock guests -o json | /usr/bin/python3 -c '
import json, sys
print(*(guest["class"] for guest in json.load(sys.stdin)["guests"] if guest["name"] == sys.argv[1]))' "$2"
}
is_served_in() { [ "$(class_of "$1" "$2")" = "$3" ]; }         # HOST DOMAIN POOL/CLASS
agent_metric() { metric "agent-$1" "$2"; }                     # HOST PATTERN

domain_xml() {  # NAME: as somebody has it who never heard of entropyd
  cat <<XML
<domain type='qemu'>
  <name>$1</name>
  <title>guest &amp; witness</title>
  <metadata>
    <app:owner xmlns:app="http://example.org/app/1">ops</app:owner>
  </metadata>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/var/lib/libvirt/images/vmlinuz</kernel>
    <initrd>/var/lib/libvirt/images/initramfs.cpio</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 entropyd.watch=256 entropyd.pause=50</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='/var/lib/libvirt/images/$1.console'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
XML
}
console() { echo "/proc/$(init_of "$1")/root/var/lib/libvirt/images/$2.console"; }  # HOST DOMAIN
reads_of() { grep -c 'event=read ' "$(console "$@")" || [ $? = 1 ]; }
has_read() { [ "$(reads_of "$1" "$2")" -ge "$3" ]; }           # HOST DOMAIN COUNT
reads_on() {  # HOST DOMAIN: goes on reading
  local reads
  reads=$(reads_of "$1" "$2")
  eventually 10 has_read "$1" "$2" $((reads + 5))
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
says() { grep -q "$3" "$(console "$1" "$2")"; }                # HOST DOMAIN PATTERN

# The rule for QEMU compiles within the profile that libvirt makes for a domain. No kernel is asked.
cp -r /etc/apparmor.d apparmor.d
cat "$ROOT/deploy/apparmor/libvirt-qemu" >>apparmor.d/local/abstractions/libvirt-qemu
sed 's/LIBVIRT_TEMPLATE/libvirt-6f6fb5ee-4a4c-4f44-9d0a-4e2a3a2c1b01/' \
  apparmor.d/libvirt/TEMPLATE.qemu >apparmor.d/libvirt/one
parser() { apparmor_parser --quiet --base apparmor.d --skip-kernel-load --skip-cache "$@" apparmor.d/libvirt/one; }
parser
# Exactly what is for guests: no rule reaches the control socket, or the one for successors, by a pattern.
diff - <(parser --preprocess | sed -n 's|^ *\(/run/entropyd/.*\)|\1|p' | sort) <<'RULES'
/run/entropyd/class/*.sock rw,
/run/entropyd/egd.sock rw,
/run/entropyd/fifo/* r,
/run/entropyd/guest/*.sock rw,
RULES

. "$HERE/libvirt/vocabulary.sh"
[ "$(id -u)" = 0 ] || die "libvirtd for the system needs root: run this suite as root"
mkdir -p shared/migration
chmod 755 shared
chmod 777 shared/migration  # both QEMUs open the socket of a migration there
ENTROPYD_GUEST_KERNEL=${ENTROPYD_GUEST_KERNEL:-$ROOT/build/guest-kernel}
"$ROOT/deploy/fetch-guest-kernel.sh" "$ENTROPYD_GUEST_KERNEL"
"$BIN/entropyctl" guest-boot --kernel "$ENTROPYD_GUEST_KERNEL" --initramfs initramfs.cpio
start_host hosta
start_host hostb
make_pki
start_server
for host in hosta hostb; do
  start_host_agent $host
  cp "$ENTROPYD_GUEST_KERNEL/vmlinuz" initramfs.cpio "/proc/$(init_of $host)/root/var/lib/libvirt/images"
  eventually 20 virsh_on $host list
done
# The group is what lets QEMU in; one that does not exist is an error with its remedy.
[ "$(on hosta stat -c '%a %G' /run/entropyd/egd.sock)" = "660 libvirt-qemu" ] || die "the socket is not libvirt-qemu's"
sed 's/group: libvirt-qemu/group: no-such-group/' hosta.agent.yaml >no-group.yaml
expect_failure 2 "group 'no-such-group' does not exist.*groupadd" \
  "$BIN/entropyd-hostagent" --config no-group.yaml --check-config

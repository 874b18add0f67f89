. "$HERE/guests-read-on/vocabulary.sh"
ENTROPYD_GUEST_KERNEL=${ENTROPYD_GUEST_KERNEL:-$ROOT/build/guest-kernel}
"$ROOT/deploy/fetch-guest-kernel.sh" "$ENTROPYD_GUEST_KERNEL"
"$BIN/entropyctl" guest-boot --kernel "$ENTROPYD_GUEST_KERNEL" --initramfs initramfs.cpio
make_pki
start_server
{ agent_yaml "$(port_of server grpc)"; echo 'defaults: {on_upstream_loss: local}'; } >agent.yaml
start_agent

# boot GUEST DEVICE_OPTIONS: under TCG, so that it runs on any machine.
boot() {
  spawn "$1" nice qemu-system-x86_64 -accel tcg -cpu qemu64,-rdrand,-rdseed -m 128 -nodefaults -no-user-config \
    -no-reboot -display none -kernel "$ENTROPYD_GUEST_KERNEL/vmlinuz" -initrd initramfs.cpio \
    -append "console=ttyS0 quiet panic=-1 entropyd.watch=256 entropyd.pause=2" \
    -chardev "file,id=console,path=$WORK/$1.console" -serial chardev:console \
    -chardev "socket,id=egd,path=$WORK/egd.sock,reconnect=1" -object rng-egd,id=rng0,chardev=egd \
    -device "virtio-rng-pci,rng=rng0$2"
}
boot plain ""
boot rated ",max-bytes=8192,period=100"
for guest in "${GUESTS[@]}"; do
  eventually 60 has_read "$guest" 20
done
begin
sleep 2
resumed "nothing" 0

. "$HERE/handover/upgrades.sh"
fifo=$WORK/fifo/bulk
ENTROPYD_GUEST_KERNEL=${ENTROPYD_GUEST_KERNEL:-$ROOT/build/guest-kernel}
"$ROOT/deploy/fetch-guest-kernel.sh" "$ENTROPYD_GUEST_KERNEL"
"$BIN/entropyctl" guest-boot --kernel "$ENTROPYD_GUEST_KERNEL" --initramfs initramfs.cpio
# As libvirt starts it for OpenStack's rng_dev_path; under TCG, so that it runs on any machine.
spawn guest nice qemu-system-x86_64 -accel tcg -cpu qemu64,-rdrand,-rdseed -m 128 -nodefaults -no-user-config \
  -no-reboot -display none -kernel "$ENTROPYD_GUEST_KERNEL/vmlinuz" -initrd initramfs.cpio \
  -append "console=ttyS0 quiet panic=-1 entropyd.bytes=32768 entropyd.dump=1 entropyd.watch=256 entropyd.pause=10" \
  -chardev "file,id=console,path=$WORK/guest.console" -serial chardev:console \
  -chardev "file,id=dump,path=$WORK/guest.pipe" -serial chardev:dump \
  -object "rng-random,id=rng0,filename=$fifo" -device virtio-rng-pci,rng=rng0
reads() { grep -c 'event=read ' guest.console || [ $? = 1 ]; }
has_read() { [ "$(reads)" -ge "$1" ]; }
reads_on() { local now; now=$(reads); eventually 15 has_read $((now + 5)); }
eventually 40 has_read 1
[ "$(stat -c %s guest.pipe)" -ge 32768 ] || die "the guest read $(stat -c %s guest.pipe) bytes"
/usr/bin/python3 "$HERE/blocks.py" --anywhere ./*.pipe

rm -f agent.ports
ctl agent upgrade >/dev/null
adopt_pid
reads_on
murder agent
start_agent
reads_on
stop guest

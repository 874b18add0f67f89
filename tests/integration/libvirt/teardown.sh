. "$HERE/libvirt/vocabulary.sh"
# With the first process of a host everything in it ends: libvirtd, QEMUs and the agent.
for host in hosta hostb; do
  if [ -f $host.pid ]; then
    for log in "/proc/$(init_of $host)/root/var/log/libvirt/qemu/"*.log; do
      [ ! -f "$log" ] || cp "$log" "$host-$(basename "$log")"
    done
    if init=$(init_of $host); then kill -KILL "$init"; fi
  fi
done

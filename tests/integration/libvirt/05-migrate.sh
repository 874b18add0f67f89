. "$HERE/libvirt/vocabulary.sh"
# Nobody tells the guest or the agent: the destination's QEMU connects to the socket of its own host.
reads_on hosta cold
virsh_on hosta migrate --live --persistent --undefinesource --domain cold \
  --desturi "$(uri_of hostb)" --migrateuri unix:///run/shared/migration/cold.sock
moved=$(now_ms)
eventually 10 has_read hostb cold 1
seen=$(now_ms)
waited "a guest, for its first read after its migration" $((seen - moved)) 1500
eventually 10 has_read hostb cold 20
virsh_on hosta list --name >listed
lacks listed '^cold$' || die "the guest runs on the source, too"
# The read that was under way, by the guest's own clock, which stands still while it has no processor.
longest=$(sed -n 's/.*event=read .*waited=\([0-9]*\)\.\([0-9]*\).*/\1\2/p' "$(console hostb cold)" |
  sort -n | tail -n 1)
waited "a guest around its migration" $((10#$longest)) 1500
[ "$(agent_metric hostb '^entropyd_agent_delivered_bytes_total')" -ge 1000 ] || die "the destination's agent fed nobody"
# The class came along in the metadata.
eventually 5 is_served_in hostb cold default/slow
libvirt_on hostb show cold | grep 'default/slow' >/dev/null
libvirt_on hostb lint cold

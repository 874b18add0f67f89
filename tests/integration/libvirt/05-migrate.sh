. "$HERE/libvirt/vocabulary.sh"
# Nobody tells the guest or the agent: the destination's QEMU connects to the socket of its own host.
reads_on hosta cold
virsh_on hosta migrate --live --persistent --undefinesource --domain cold \
  --desturi "$(uri_of hostb)" --migrateuri unix:///run/shared/migration/cold.sock
moved=$(now_ms)
eventually 10 has_read hostb cold 1
seen=$(now_ms)
echo "migration: reads on the destination seen $((seen - moved)) ms after its end"
[ $((seen - moved)) -le 1500 ] || die "the guest did not read at once"
eventually 10 has_read hostb cold 20
virsh_on hosta list --name >listed
lacks listed '^cold$' || die "the guest runs on the source, too"
# The read that was under way, by the guest's own clock, which stands still while it has no processor.
longest=$(sed -n 's/.*event=read .*waited=\([0-9]*\)\.\([0-9]*\).*/\1\2/p' "$(console hostb cold)" |
  sort -n | tail -n 1)
echo "migration: longest read on the destination $((10#$longest)) ms"
[ "$((10#$longest))" -le 1500 ] || die "the guest read again only after $longest ms"
[ "$(agent_metric hostb '^entropyd_agent_delivered_bytes_total')" -ge 1000 ] || die "the destination's agent fed nobody"
# The class came along in the metadata.
eventually 5 is_served_in hostb cold default/slow
libvirt_on hostb show cold | grep 'default/slow' >/dev/null
libvirt_on hostb lint cold

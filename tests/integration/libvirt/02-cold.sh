. "$HERE/libvirt/vocabulary.sh"
for domain in cold hot; do
  domain_xml $domain >$domain.xml
  on hosta virsh --quiet --connect "$(uri_of hosta)" define "$WORK/$domain.xml"
done
# Without entropyd's device a guest has no generator; it boots while the other one is set up.
virsh_on hosta start hot

virsh_on hosta dumpxml cold --inactive >before
libvirt_on hosta set cold --class default/slow --dry-run >dry
grep -q '^+.*path="/run/entropyd/egd.sock"' dry
virsh_on hosta dumpxml cold --inactive | cmp - before || die "--dry-run changed the domain"
libvirt_on hosta set cold --class default/slow
virsh_on hosta dumpxml cold --inactive >after
# Nothing but additions: a device and the class.
diff before after | grep '^<' && die "the domain lost something"
[ "$(diff before after | grep -c '^>')" -le 12 ] || die "more was added than a device and a class: $(diff before after)"
libvirt_on hosta set cold --class default/slow | grep -q 'nothing had to be changed'

expect_failure 2 'class default/nope is not among this host.s \(default/gold, .*--force' \
  libvirt_on hosta set cold --class default/nope
expect_failure 2 'class default/secret is closed to this host' libvirt_on hosta set cold --class default/secret
expect_failure 2 'does not listen on /run/x.sock' libvirt_on hosta set cold --class default/gold --socket /run/x.sock
expect_failure 2 'does not run' libvirt_on hosta set cold --class default/gold --live
expect_failure 1 'failed to get domain' libvirt_on hosta set nobody --class default/gold

virsh_on hosta start cold
eventually 60 has_read hosta cold 5
# The listener's class is gold; the metadata's counts.
eventually 5 is_served_in hosta cold default/slow
[ "$(agent_metric hosta '^entropyd_agent_delivered_bytes_total.*slow')" -ge 256 ] ||
  die "the class of the metadata was not charged"

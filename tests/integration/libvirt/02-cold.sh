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
diff before after >added || [ $? = 1 ] || die "the definitions cannot be compared"
lacks added '^<' || die "the domain lost something"
lines=$(grep -c '^>' added)
[ "$lines" -le 12 ] || die "more was added than a device and a class: $(cat added)"
libvirt_on hosta set cold --class default/slow | grep 'nothing had to be changed' >/dev/null

expect_failure 2 'class default/nope is not among this host.s \(default/gold, .*--force' \
  libvirt_on hosta set cold --class default/nope
expect_failure 2 'class default/secret is closed to this host' libvirt_on hosta set cold --class default/secret
expect_failure 2 'does not listen on /run/x.sock' libvirt_on hosta set cold --class default/gold --socket /run/x.sock
expect_failure 2 'does not run' libvirt_on hosta set cold --class default/gold --live
expect_failure 1 "libvirt has no domain 'nobody'" libvirt_on hosta set nobody --class default/gold

# A domain whose name is the id of another one: virsh would take the word for the id.
id=$(virsh_on hosta domid hot)
domain_xml "$id" >named.xml
on hosta virsh --quiet --connect "$(uri_of hosta)" define "$WORK/named.xml"
virsh_on hosta dumpxml hot --inactive >hot.before
expect_failure 2 "'$id' means more than one domain" libvirt_on hosta set "$id" --class default/gold
uuid=$(virsh_on hosta list --all --name --uuid | sed -n "s/ $id\$//p")
libvirt_on hosta set "$uuid" --class default/gold
virsh_on hosta dumpxml hot --inactive | cmp - hot.before || die "another domain was changed"
virsh_on hosta dumpxml "$uuid" --inactive | grep 'class="gold"' >/dev/null || die "the domain has no class"
virsh_on hosta undefine "$uuid"

virsh_on hosta start cold
eventually 60 has_read hosta cold 5
# The listener's class is gold; the metadata's counts.
eventually 5 is_served_in hosta cold default/slow
[ "$(agent_metric hosta '^entropyd_agent_delivered_bytes_total.*slow')" -ge 256 ] ||
  die "the class of the metadata was not charged"

. "$HERE/libvirt/vocabulary.sh"
reads_on hosta hot
libvirt_on hosta remove hot --live
eventually 10 says hosta hot 'event=no_device.*why'
reads=$(reads_of hosta hot)
sleep 0.5
[ "$(reads_of hosta hot)" = "$reads" ] || die "the guest reads on without a device"
virsh_on hosta dumpxml hot >running.xml
lacks running.xml 'urn:entropyd|<rng' || die "something is left in the running domain"
virsh_on hosta dumpxml hot --inactive >defined.xml
lacks defined.xml 'urn:entropyd|<rng' || die "something is left in the definition"
grep -q app:owner defined.xml || die "somebody else's metadata went along"
libvirt_on hosta remove hot --live | grep 'nothing had to be changed' >/dev/null
# And it may come again.
libvirt_on hosta set hot --class default/gold --live
reads_on hosta hot
expect_failure 69 'force' on hosta "$BIN/entropyctl" --control /run/entropyd/nobody.sock \
  libvirt --connect "$(uri_of hosta)" lint hot

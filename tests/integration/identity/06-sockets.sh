. "$HERE/identity/guests.sh"
said=$(AS=agent ctl guests add vm-1 --class default/slow)
grep -Eq -- "-chardev socket,id=entropyd0,path=$WORK/guest/vm-1.sock,(reconnect=1|reconnect-ms=1000) -object rng-egd" \
  <<<"$said"
grep -Eq '9.2 (on )?write reconnect' <<<"$said" || die "it does not say which QEMU this is for: $said"
expect_failure 1 'guests remove vm-1' env AS=agent bash -c '. "$HERE/lib.sh"; ctl guests add vm-1'
expect_failure 1 'default/gold, default/slow' \
  env AS=agent bash -c '. "$HERE/lib.sh"; ctl guests add vm-2 --class default/none'
expect_failure 1 'groupadd' env AS=agent bash -c '. "$HERE/lib.sh"; ctl guests add vm-2 --group no-such-group'
egd "$WORK/guest/vm-1.sock" read 100
guest vm-peer "$WORK/guest/vm-1.sock" -
draws vm-peer 64
is vm-1 identified_by socket
is vm-1 class default/slow
leave vm-peer
AS=agent ctl guests add vm-2 -o json |
  python3 -c '
import json, sys
said = json.load(sys.stdin)
assert said["socket"]["path"].endswith("vm-2.sock")
assert "9.2" in said["qemu_note"]'
AS=agent ctl guests remove vm-2
[ ! -e "$WORK/guest/vm-2.sock" ]
leave web
murder agent
start_agent
egd "$WORK/guest/vm-1.sock" read 100

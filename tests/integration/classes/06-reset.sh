. "$HERE/classes/vocabulary.sh"
ctl classes set default/secret ceil=2MiB/s
from_here server
ctl classes reset default/slow | grep -E 'default/slow +ceil +64KiB/s +32KiB/s' >/dev/null
gets 40 72
[ "$(drift slow)" = 0 ]
[ "$(drift secret)" = 1 ]
logged server 'event=class\.reset .*class=default/slow by=spiffe://test/operator/o1'
ctl classes set default/slow ceil=none
gets 2000 1000000000
ctl classes reset
ctl classes diff | grep 'no difference' >/dev/null
[ "$(drift '[a-z]*')" = 0 ]
ctl classes reset | grep 'there was nothing to reset' >/dev/null
stop load 5 143

. "$HERE/classes/vocabulary.sh"
murder server
ends load 5 69
start_server
grep 'event=class.change_kept' server.log | grep 'class=default/slow' >/dev/null
ctl classes diff | cmp - before.diff
[ "$(drift slow)" = 1 ]
load
sleep 0.3
gets 16 44

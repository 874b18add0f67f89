. "$HERE/shy-sources/vocabulary.sh"
begin_writing slow 2048 2.5
begin_writing flapping 16 1
eventually 40 is slow HEALTHY
[ "$(of slow startups)" = 1 ] || die "the start-up tests of slow began $(of slow startups) times"
[ "$(lines source.gone slow)" = 0 ] || die "a pause of slow was told as its end"
gives() { AS=reader ctl get --bytes 32 --class shy/all --hex; }
eventually 20 gives

eventually 20 grep -q 'event=source.flapping source=flapping .*times=3 .*silence:' server.log
sleep 5
[ "$(lines source.flapping flapping)" = 1 ] || die "flapping was told $(lines source.flapping flapping) times"
[ "$(lines source.gone flapping)" -le 2 ] || die "each time that flapping was gone has a line"

# Twelve equal bytes hold two equal 32-bit words, and no run of 16 bytes, which would latch.
. "$HERE/source-failures/vocabulary.sh"
begin
tell device 'stuck 12' >/dev/null
eventually 5 grep -q 'event=source.quarantined.*source=device' server.log
eventually 5 grep -q 'event=pool.suspended.*pool=lone' server.log
recovers
credited_good_ones_only
nobody_waited glitch

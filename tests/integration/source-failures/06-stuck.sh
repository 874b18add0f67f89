# Two equal words quarantine; a run of 16 bytes, the cutoff of 2^-60 at 4 bits per byte, latches.
. "$HERE/source-failures/vocabulary.sh"
begin
tell device 'stuck 0' >/dev/null
eventually 5 device_is LATCHED
taken_bad $((16 + READ))
credited_good_ones_only_and_is_left_alone
lone_stands_still
nobody_waited stuck
eventually 10 metric_is server 'entropyd_source_rct_failures_total.*source="device"' -ge 2
eventually 10 metric_is server 'entropyd_source_state.*source="device".*state="latched"' = 1
mend

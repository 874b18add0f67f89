# 14 bytes equal to what came 5000 bytes before quarantine, 24 latch.
. "$HERE/source-failures/vocabulary.sh"
begin
sleep 0.5
tell device 'replay 5000' >/dev/null
eventually 5 device_is LATCHED
taken_bad $((24 + READ))
credited_good_ones_only_and_is_left_alone
lone_stands_still
nobody_waited replayed
eventually 10 metric_is server 'entropyd_source_lag_failures_total.*source="device"' -ge 1
mend

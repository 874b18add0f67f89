# Half of what is claimed: 2 random bits in a byte. A window of 512 bytes holds 128 of each of the
# four values then, and 92 (the cutoff of 2^-60) latch. A window that had begun with another value
# may pass, and what it held until the fault showed is all that can have been credited.
. "$HERE/source-failures/vocabulary.sh"
begin
tell device 'biased 2' >/dev/null
eventually 5 device_is LATCHED
taken_bad $((2 * 512 + READ))
credited_good_ones_only_and_is_left_alone 512
lone_stands_still
nobody_waited biased
eventually 10 metric_is server 'entropyd_source_(apt|rct)_failures_total.*source="device"' -ge 2
mend

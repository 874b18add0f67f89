. "$HERE/source-failures/vocabulary.sh"
begin
tell device gone >/dev/null
eventually 2 device_is GONE
credited_good_ones_only_and_is_left_alone
lone_stands_still
nobody_waited gone
tell device good >/dev/null
recovers
credited_good_ones_only

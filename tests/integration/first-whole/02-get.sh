AS=reader
[ "$(ctl get --bytes 32 --class default/gold --hex | tr -d '\n' | wc -c)" = 64 ]
ctl get --bytes 100000 --class default/gold --raw >drawn
[ "$(stat -c %s drawn)" = 100000 ]
differ "$(ctl get --bytes 16 --class default/gold --hex)" "$(ctl get --bytes 16 --class default/gold --hex)"
AS=reader expect_failure 1 'NOT_FOUND|not found|no class' ctl get --bytes 16 --class default/nowhere --hex
AS=agent expect_failure 1 'denied|DENIED' ctl get --bytes 16 --class default/secret --hex

. "$HERE/classes/vocabulary.sh"
cp kept/classes.yaml before.yaml
ctl classes diff >before.diff
expect_failure 2 "class 'slow': ceil 8KiB/s is below the rate 16KiB/s; raise the ceil" \
  ctl classes set default/slow ceil=8KiB/s
expect_failure 2 "class 'root': rate 100MiB/s is below the sum of its children's.*raise it" \
  ctl classes set default/gold rate=1GiB/s
expect_failure 2 "burst 2KiB is below 4KiB.*raise it" ctl classes set default/slow burst=2KiB
expect_failure 2 'ceil=8KB/s: .*write e.g. 8KiB/s' ctl classes set default/slow ceil=8KB/s
expect_failure 2 'the most is 7' ctl classes set default/slow prio=8
expect_failure 2 "unknown key 'ciel'.*did you mean 'ceil'" ctl classes set default/slow ciel=1MiB/s
expect_failure 2 "'slow' is no POOL/CLASS" ctl classes set slow ceil=1MiB/s
expect_failure 2 'FIGURE is required' ctl classes set default/slow
expect_failure 1 "no class 'slwo' is configured.*root, gold, slow, secret" ctl classes set default/slwo ceil=1MiB/s
expect_failure 1 "no pool 'nowhere'" ctl classes reset nowhere/slow
expect_failure 1 'no pool .?nowhere.? is configured; there are default' ctl classes --pool nowhere
for who in reader agent; do
  AS=$who expect_failure 1 'PERMISSION_DENIED' ctl classes set default/slow ceil=1MiB/s
  AS=$who expect_failure 1 'PERMISSION_DENIED' ctl classes reset
  AS=$who expect_failure 1 'PERMISSION_DENIED' ctl classes diff
done
cmp kept/classes.yaml before.yaml
ctl classes diff | cmp - before.diff
gets 16 44

. "$HERE/fairness/vocabulary.sh"
ctl classes set default/root ceil=512KiB/s >/dev/null
put left.control gone
eventually 5 device_is left gone
sleep 1
# 512: of the 44 beyond the guarantees `tenant` borrows 29 1/3 and `bulk` 14 2/3; `tenant` lends 93 1/3 on.
simulated 512
# One device gives less than is guaranteed: all have the same part of their guarantees, 12 : 6.
bars() {
  holds half
  judge rates before-half half simulated gold=184 weighed=82.667 even=82.667 bulk=142.667
  judge scarce before-half half x=0.66667 y=0.33333 | tee scarce
}
measure half 20.1
awk -v two="$(cat scarce.two)" '{one = $1} END {exit !(one > 0.4 * two && one < 0.6 * two)}' scarce ||
  die "one device gives $(tail -n 1 scarce) KiB/s, two give $(cat scarce.two)"

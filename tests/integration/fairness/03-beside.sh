. "$HERE/fairness/vocabulary.sh"
greedy greedy h1.gold 32 16
# One greedy guest, and the machine's processors for it and the polite ones.
sleep 1
tell before-one control same greedy
sleep 4
tell one control same greedy
judge one one same
greedy bulk h2.bulk 32 16
greedy x h3.x 4 4
greedy y h3.y 4 4
# The many guests have four connections each, which must change nothing.
for kind in weighed even; do
  greedy $kind.few h2.$kind 64 1
  greedy $kind.many h3.$kind 192x4 1
done
sleep 2
# 1024: guarantees 320 + 128 and the 20 that `quiet` asks for; 556 are lent 2 : 1, but `bulk` may
# have 32 only; so `tenant` has 844, 588 beyond its leaves' guarantees, lent 3 : 1 : 1.
simulated 1024
# Guarantees of `scarce`: 12 + 6; the rest of what two devices give is lent 1 : 3.
bars() {
  holds beside
  judge rates before-beside beside simulated gold=480.8 weighed=181.6 even=181.6 bulk=160
  judge scarce before-beside beside | tee scarce
}
measure beside 10.1
tail -n 1 scarce >scarce.two

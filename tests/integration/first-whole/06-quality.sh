egd egd.sock read 1000000 --out sample
# An ideal source fails one block in about 1,250; of 400 blocks more than 6 fail once in 10^7 runs.
rngtest <sample >rngtest.log 2>&1 || [ $? = 1 ]
failures=$(sed -n 's/.*FIPS 140-2 failures: //p' rngtest.log)
successes=$(sed -n 's/.*FIPS 140-2 successes: //p' rngtest.log)
[ "$successes" -ge 390 ] && [ "$failures" -le 6 ] || die "rngtest: $failures failures, $successes successes"

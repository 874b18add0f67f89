. "$HERE/fairness/vocabulary.sh"
ctl classes reset default/root >/dev/null
put left.control good
eventually 10 device_is left healthy
sleep 1.5
simulated 1024
bars() {
  holds back
  judge rates before-back back simulated gold=480.8 weighed=181.6 even=181.6 bulk=160
  judge scarce before-back back
}
measure back 10.1

# What was given to anybody is nowhere else: not in logs (of the loudest level), metrics, tables or errors.
AS=reader ctl get --bytes 4096 --class default/gold --raw >given.get
egd egd.sock read 4096 --out given.egd
AS=reader ctl get --bytes 64 --class default/gold --hex | tr -d '\n' >given.hex
refused() {  # STATUS COMMAND…
  local want=$1 status=0
  shift
  "$@" >>said.error 2>&1 || status=$?
  [ $status = "$want" ] || die "exit $status instead of $want: $*"
}
AS=reader refused 1 ctl get --bytes 16 --class default/secrets --hex
AS=agent refused 1 ctl get --bytes 16 --class default/secret --hex
AS=reader refused 2 ctl get --bytes 0 --class default/gold --hex
egd egd.sock unknown >>said.error 2>&1
for program in server agent; do
  curl -fsS "http://127.0.0.1:$(port_of $program http)/metrics" >said.$program.metrics
  cp $program.log said.$program.log
done
for what in status sources pools classes agents; do ctl $what -o json >said.$what; done
/usr/bin/python3 "$HERE/first-whole/find_secrets.py" given.* -- said.* || die "see above"
# The search itself finds what is there, in each form.
head -c 8 given.get | od -An -tx1 | tr -d ' ' >planted.hex
tail -c 12 given.egd | base64 >planted.base64
head -c 20 given.get | tail -c 8 >planted.raw
for planted in planted.*; do
  expect_failure 1 "$planted" /usr/bin/python3 "$HERE/first-whole/find_secrets.py" given.* -- "$planted"
done

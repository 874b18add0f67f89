AS=reader expect_failure 1 'default/nowhere' ctl get --bytes 16 --class default/nowhere --hex
AS=reader expect_failure 1 'root|leaf' ctl get --bytes 16 --class default/root --hex
# A name of 60 KB is refused, and not logged.
long=$(printf 'a%.0s' {1..60000})
AS=reader expect_failure 2 "60007 bytes\): no POOL/CLASS" ctl get --bytes 16 --class "$long/golden" --hex
lacks server.log aaaaaaaaaa || die "a long name is in the log"
AS=nobody expect_failure 1 'denied|DENIED' ctl get --bytes 16 --class default/nowhere --hex
AS=reader expect_failure 2 "--bytes: '-5' is not a size" ctl get --bytes -5 --class default/gold --hex
AS=reader expect_failure 2 "class 'gold' is no POOL/CLASS" ctl get --bytes 16 --class gold --hex
# An agent with a class that it may not use keeps its other classes.
sed -e "s|class: default/slow|class: default/secret|; s|$WORK/agent.sock|$WORK/agent2.sock|" \
  -e "s|$WORK/state|$WORK/state2|; s|$WORK/egd.sock|$WORK/egd2.sock|; s|$WORK/slow.sock|$WORK/secret.sock|" \
  agent.yaml >agent2.yaml
spawn agent2 "$BIN/entropyd-hostagent" --config agent2.yaml --ports-file "$WORK/agent2.ports"
eventually 20 test -s agent2.ports
egd egd2.sock read 4096
sed "s|$WORK/agent.sock|$WORK/agent2.sock|" operator.client.yaml >agent2.client.yaml
status=0
AS=agent2 ctl status -o json >status.json || status=$?
[ $status = 3 ] || die "exit $status instead of 3: $(cat status.json)"
/usr/bin/python3 -c 'import json
classes = {one["class"]: one for one in json.load(open("status.json"))["agent"]["classes"]}
assert classes["default/gold"]["phase"] == "PHASE_OPEN", classes
secret = classes["default/secret"]
assert secret["phase"] == "PHASE_CLOSED", secret
assert secret["reason"].startswith("permission denied: no policy rule lets spiffe://test/agent/h1 draw"), secret'
stop agent2

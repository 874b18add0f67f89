. "$HERE/doctor/vocabulary.sh"
chmod 644 pki/agent.key
mkdir -m 777 shared
sed "s|$WORK/slow.sock|$WORK/shared/slow.sock|; s|$WORK/egd.sock|$WORK/missing/egd.sock|" good.agent.yaml >fix.yaml
AGENT_YAML=$WORK/fix.yaml
status=0
doctor --fix >doctor.out 2>&1 || status=$?
# What is told is what is left: the agent does not run with this file.
[ "$status" = 1 ]
for done in "chmod 0640 $WORK/pki/agent.key" "chmod 0755 $WORK/shared" "install -d -m 0755 $WORK/missing"; do
  grep -q "^fix: $done: done$" doctor.out
done
[ "$(grep -Ec '^(broken|warning|unknown): ' doctor.out)" = 1 ]
grep -q '^broken: agent.process: ' doctor.out
[ "$(stat -c %a pki/agent.key shared missing | xargs)" = "640 755 755" ]
# The guests of the agent that runs have noticed nothing.
egd egd.sock read 1000
unset AGENT_YAML
chmod 600 pki/agent.key
is_well

. "$HERE/handover/upgrades.sh"
stop agent
rm -f agent.ports
spawn agent "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports" --take-over
eventually 20 test -s agent.ports
grep -q 'event=handover.nobody' agent.log
old=$(pid_of agent)
rm -f agent.ports
spawn agent "$BIN/entropyd-hostagent" --config "$WORK/agent.yaml" --ports-file "$WORK/agent.ports" --take-over
eventually 20 test -s agent.ports
eventually 5 test ! -d "/proc/$old"
serves "$(pid_of agent)"
egd egd.sock read 4096

. "$HERE/handover/upgrades.sh"
pid=$(serving_pid)
cp agent.yaml good.yaml
from_here agent
still_the_same() {
  [ "$(serving_pid)" = "$pid" ] || die "another process serves"
  [ "$(metric agent '^entropyd_agent_config_reload_failed')" = 1 ] || die "the metric says nothing"
  logged agent 'config\.reload_failed' || die "the log says nothing of this reload"
  from_here agent
  egd egd.sock read 1000
  cp good.yaml agent.yaml
}
echo 'nonsense: 1' >>agent.yaml
expect_failure 2 "agent.yaml:[0-9]+:1: unknown key 'nonsense'" ctl agent reload
expect_failure 2 'entropyctl agent upgrade' ctl agent reload
# An upgrade does not check the file first, but it tells why the taker ended.
expect_failure 2 "ended with status 2: .*agent.yaml:[0-9]+:1: unknown key 'nonsense'" ctl agent upgrade
expect_failure 3 'configuration on disk is not in use: .*nonsense' "$BIN/entropyctl" --control "$WORK/agent.sock" status
mv agent.yaml away.yaml
expect_failure 2 'read .*agent.yaml: No such file' ctl agent reload
expect_failure 2 'ended with status 2: .*agent.yaml: No such file' ctl agent upgrade
mv away.yaml agent.yaml
still_the_same
sed -i 's|^control: .*|control: /tmp/elsewhere.sock|' agent.yaml
expect_failure 2 "agent.yaml:[0-9]+:[0-9]+: control: the running agent has $WORK/agent.sock.*entropyctl agent upgrade" \
  ctl agent reload
still_the_same
# Where the server answers HTTP, the agent cannot. It must be found before guests cross.
sed -i "s|^metrics: .*|metrics: \"127.0.0.1:$(port_of server http)\"|" agent.yaml
expect_failure 1 'open .metrics.: listen on 127.0.0.1:[0-9]*: ' ctl agent reload
still_the_same
# The load's own listener.
sed -i "s|/egd.sock|/renamed.sock|" agent.yaml
expect_failure 1 'it came in by a listener that this configuration lacks' ctl agent reload
still_the_same
[ "$(serving_pid)" = "$pid" ]
# This cannot be refused, because the server may open the class later. But it is told.
rm -f agent.ports
sed -i "s|^listeners:.*|&\n  - {path: $WORK/nope.sock, class: default/nope}|" agent.yaml
expect_failure 3 'UNHEALTHY: class default/nope is closed: .*there are default/gold, default/slow' ctl agent reload
adopt_pid
warning='"level":"warning","event":"class.phase","class":"default/nope"'
grep -q "$warning.*there are default/gold, default/slow.*\"remedy\":" agent.log
curl -s "http://127.0.0.1:$(port_of agent http)/readyz" | grep 'the server refuses class default/nope' >/dev/null ||
  die "/readyz does not name the class"
eventually 10 metric_is agent '^entropyd_agent_class_phase.class="default/nope",phase="closed"' = 1
eventually 10 metric_is agent '^entropyd_agent_class_mode.class="default/nope",mode="closed"' = 1
rm -f agent.ports
cp good.yaml agent.yaml
ctl agent reload
adopt_pid
eventually 10 is_ready agent

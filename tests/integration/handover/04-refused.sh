. "$HERE/handover/upgrades.sh"
agent=$(pid_of agent)
cp agent.yaml good.yaml
echo 'nonsense: 1' >>agent.yaml
expect_failure 2 'ended with status 2' ctl agent upgrade
serves "$agent"
# Guests of a socket that the new configuration does not have cannot be taken over.
grep -v slow.sock good.yaml >agent.yaml
spawn idle /usr/bin/python3 "$HERE/egd_client.py" "$WORK/slow.sock" idle 1 600
eventually 5 grep -q '^1$' idle.log
expect_failure 1 'came in by a listener that this configuration lacks' ctl agent upgrade
stop idle 5 143
serves "$agent"
cp good.yaml agent.yaml
[ "$(stat -c %a agent.sock.handover)" = 600 ] || die "anybody may take over"
# No server, no handover; the guests have what the old one's buffers hold.
sed 's|^servers: .*|servers: ["localhost:1"]|' good.yaml >agent.yaml
from_here agent
expect_failure 1 'ended with status 1' ctl agent upgrade
logged agent 'not attached to a server'
cp good.yaml agent.yaml
eventually 10 serves "$agent"

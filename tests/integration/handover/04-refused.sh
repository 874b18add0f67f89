. "$HERE/handover/upgrades.sh"
agent=$(pid_of agent)
cp agent.yaml good.yaml
echo 'nonsense: 1' >>agent.yaml
expect_failure 1 'ended with status 2' ctl agent upgrade
serves "$agent"
# Guests of a socket that the new configuration does not have cannot be taken over.
grep -v slow.sock good.yaml >agent.yaml
expect_failure 1 'ended with status 1' ctl agent upgrade
grep -q "slow.sock, which this configuration lacks" agent.log
serves "$agent"
cp good.yaml agent.yaml
[ "$(stat -c %a agent.sock.handover)" = 600 ] || die "anybody may take over"
# No server, no handover; the guests have what the old one's buffers hold.
sed 's|^servers: .*|servers: ["localhost:1"]|' good.yaml >agent.yaml
expect_failure 1 'ended with status 1' ctl agent upgrade
grep -q 'not attached to a server' agent.log
cp good.yaml agent.yaml
eventually 10 serves "$agent"

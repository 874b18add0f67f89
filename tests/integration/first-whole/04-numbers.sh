ctl status | grep -q 'default/gold'
ctl status -o json | /usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)'
ctl sources | grep -q kernel
ctl pools | grep -q default
ctl classes | grep -q gold
ctl agents | grep -q spiffe://test/agent/h1
[ "$(metric agent 'entropyd_agent_delivered_bytes_total.*default/gold')" -ge $((65536 + 640000)) ]
[ "$(metric server 'entropyd_class_delivered_bytes_total.*class="gold"')" -ge $((65536 + 640000 + 100000)) ]
[ "$(metric agent 'entropyd_agent_upstream_connected')" = 1 ]
AS=agent expect_failure 1 'denied|DENIED' ctl agents

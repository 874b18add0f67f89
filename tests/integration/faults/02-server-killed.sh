from_here agent
murder server
# Demand has filled the buffer; a small read is served from it at once.
timeout 5 /usr/bin/python3 "$HERE/egd_client.py" egd.sock read 64 || die "the buffer does not serve on"
eventually 10 logged agent 'event=upstream\.ended .*attached=true'
[ "$(metric agent entropyd_agent_upstream_connected)" = 0 ]
start_server
egd egd.sock read 65536
eventually 10 metric_is agent entropyd_agent_upstream_connected = 1

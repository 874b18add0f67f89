ctl drain --reason maintenance
eventually 20 grep -q 'drain' agent.log
stop server 5
start_server
egd egd.sock read 65536
[ "$(metric agent entropyd_agent_upstream_connected)" = 1 ]

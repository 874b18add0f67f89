stop server 5
stop agent 5
[ ! -e egd.sock ] && [ ! -e slow.sock ] && [ ! -e agent.sock ]

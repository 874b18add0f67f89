stop server 5
stop agent 5
for socket in egd.sock slow.sock agent.sock; do
  [ ! -e $socket ] || die "$socket was left behind"
done

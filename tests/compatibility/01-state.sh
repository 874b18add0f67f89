# What the previous version has written is read by this one.
make_pki
server_yaml >server.yaml
echo "state_dir: $WORK/server-state" >>server.yaml
server_of old
agent_yaml "$(port_of server grpc)" >agent.yaml
agent_of old
ctl classes set default/slow rate=24KiB/s ceil=48KiB/s
AS=agent ctl guests add web1 --class default/gold --path "$WORK/web1.sock"
egd web1.sock read 1024
[ -s server-state/classes.yaml ] || die "the previous server has kept no change"
[ -s state/guests.yaml ] || die "the previous agent has kept no socket"
cp state/host_id host_id.old
stop agent
stop server

server_of new
sed -i "s|^servers: .*|servers: [\"localhost:$(port_of server grpc)\"]|" agent.yaml
agent_of new
ctl classes diff | tee diff.txt
grep -q 'default/slow' diff.txt || die "the changed class was forgotten"
grep -q '48KiB/s\|48 KiB/s' diff.txt || die "the class has other figures than those that were set"
cmp state/host_id host_id.old || die "the host has another identity"
eventually 10 egd web1.sock read 1024
AS=agent ctl guests remove web1
[ ! -S web1.sock ] || die "the socket of web1 cannot be removed"
AS=agent ctl guests add web2 --class default/gold --path "$WORK/web2.sock"
stop agent
stop server

# And back: nobody is stuck with the newer version.
server_of old
sed -i "s|^servers: .*|servers: [\"localhost:$(port_of server grpc)\"]|" agent.yaml
agent_of old
eventually 10 egd web2.sock read 1024
cmp state/host_id host_id.old
ctl classes reset default/slow
stop agent
stop server

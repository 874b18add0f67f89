# Where memory cannot be locked, strict_memory refuses to start and says what to do; without it the programs serve,
# and tell.
stop agent
stop server
without_locks=(setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock prlimit --memlock=1048576:1048576)
remedy='RLIMIT_MEMLOCK is 1048576 bytes; set LimitMEMLOCK=infinity in the unit, .*CAP_IPC_LOCK'
expect_failure 1 "$remedy" "${without_locks[@]}" "$BIN/entropyd" --config server.yaml
expect_failure 1 "$remedy" "${without_locks[@]}" "$BIN/entropyd-hostagent" --config agent.yaml

sed -i 's/^strict_memory: true/strict_memory: false/' server.yaml agent.yaml
rm -f server.ports agent.ports
spawn server "${without_locks[@]}" "$BIN/entropyd" --config server.yaml --ports-file server.ports
eventually 20 test -s server.ports
sed -i "s/^servers: .*/servers: [\"localhost:$(port_of server grpc)\"]/" agent.yaml
spawn agent "${without_locks[@]}" "$BIN/entropyd-hostagent" --config agent.yaml --ports-file agent.ports
eventually 20 test -s agent.ports
egd egd.sock read 4096
for name in server agent; do
  grep -q "level=warning event=memory.unlocked reason=.*LimitMEMLOCK" $name.log ||
    die "$name does not tell that its memory may be swapped"
done
[ "$(metric server entropyd_process_memory_locked)" = 0 ] || die "the metric of the server does not tell"
[ "$(metric agent entropyd_process_memory_locked)" = 0 ] || die "the metric of the agent does not tell"

# Both programs lock their memory, and clear what would make gRPC write payload.
make_pki
{
  server_yaml | sed 's/rate: 10MiB/rate: 500MiB/; s/rate: 100MiB/rate: 1GiB/'
  echo "strict_memory: true"
} >server.yaml
export GRPC_TRACE=all GRPC_VERBOSITY=DEBUG SSLKEYLOGFILE=$WORK/keys
start_server
{ agent_yaml "$(port_of server grpc)"; echo "strict_memory: true"; } >agent.yaml
start_agent
unset GRPC_TRACE GRPC_VERBOSITY SSLKEYLOGFILE
eventually 10 is_ready agent
for name in server agent; do
  grep -q "event=environment.cleared variables=GRPC_TRACE,GRPC_VERBOSITY,SSLKEYLOGFILE " $name.log ||
    die "$name does not tell which variables it has cleared"
  lacks $name.log 'transport|call\.cc' || die "gRPC's traces are in the log of $name"
  [ "$(sed -n 's/^VmLck:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(pid_of $name)/status")" -gt 20000 ] ||
    die "$name has not locked its memory"
done
# curl makes the file when it starts; it has no TLS connection to write of.
[ ! -s keys ] || die "session keys were written"
[ "$(metric server entropyd_process_memory_locked)" = 1 ] ||
  die "the metric of the server says that its memory is not locked"
[ "$(metric agent entropyd_process_memory_locked)" = 1 ] ||
  die "the metric of the agent says that its memory is not locked"

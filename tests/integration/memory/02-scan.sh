# What was delivered is nowhere in either process, and their keys are in locked pages only.
# The last TLS record that came in stays in OpenSSL's buffer of a live connection until the next one.
mib=${MEMORY_SCAN_MIB:-64}
[ "$(id -u)" = 0 ] || die "only root may read the memory of these processes: run this suite as root"
"$BIN/it_memory_scan" egd.sock "$mib" 1 \
  "$(pid_of server)=pki/server.key" "$(pid_of agent)=pki/agent.key" || die "see above"

# What was delivered is nowhere in either process, and their keys are in locked pages only.
# The last TLS record that came in stays in OpenSSL's buffer of a live connection until the next one.
mib=${MEMORY_SCAN_MIB:-64}
if [ "$(id -u)" != 0 ]; then
  echo "NOTE: only root may read these processes: nothing was scanned"
  exit 0
fi
"$BIN/it_memory_scan" egd.sock "$mib" 1 \
  "$(pid_of server)=pki/server.key" "$(pid_of agent)=pki/agent.key" || die "see above"

# doctor WORD…: looks at the server and the agent of this suite, whatever else is on this machine. libvirt of the
# machine, and what stands in its configuration, are hidden.
[ "$(id -u)" = 0 ] || die "the doctor looks at processes and keys of others: run this suite as root"
doctor() {
  unshare --mount --propagation private bash -euc '
    for hidden in /run/libvirt /etc/apparmor.d /sys/fs/selinux; do
      [ ! -d "$hidden" ] || mount -t tmpfs tmpfs "$hidden"
    done
    exec "$@"' _ "$BIN/entropyctl" --config "$WORK/operator.client.yaml" doctor \
    --server-config "${SERVER_YAML:-$WORK/server.yaml}" --agent-config "${AGENT_YAML:-$WORK/agent.yaml}" "$@"
}
# finds SEVERITY CHECK PATTERN: the doctor ends with 1, and says that.
finds() {
  local status=0
  doctor >"$WORK/doctor.out" 2>&1 || status=$?
  [ "$status" = 1 ] || die "exit $status instead of 1: $(cat "$WORK/doctor.out")"
  grep -Eq -- "^$1: $2: .*$3" "$WORK/doctor.out" || die "no $1: $2: /$3/ in: $(cat "$WORK/doctor.out")"
}
# finds_only …: and nothing else.
finds_only() {
  finds "$@"
  [ "$(grep -Ec '^(broken|warning|unknown): ' "$WORK/doctor.out")" = 1 ] || die "more: $(cat "$WORK/doctor.out")"
}
# says_that_it_serves: the server does so to calls, a moment after its pools are ready.
says_that_it_serves() { grep -q '^ok: agent.servers: .* serves$' < <(doctor --verbose 2>&1); }
# is_well: nothing is found, and every check has looked.
is_well() {
  local status=0
  eventually 30 says_that_it_serves
  doctor --verbose >"$WORK/doctor.out" 2>&1 || status=$?
  [ "$status" = 0 ] || die "exit $status instead of 0: $(cat "$WORK/doctor.out")"
  grep -q '^0 findings, 0 checks could not look, 29 passed$' "$WORK/doctor.out" || die "$(cat "$WORK/doctor.out")"
}
# mended: the server uses what is on disk.
mended() { [ "$(metric server '^entropyd_reload_failed ')" = 0 ]; }

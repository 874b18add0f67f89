#!/usr/bin/env bash
# The SELinux module: it compiles, links with a host's policy, and lets QEMU at the guests' sockets and at nothing else.
# No kernel is asked. SELINUX_MODULES may name a folder with the modules of a real policy (*.pp, base.pp among them).
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/tests/integration
WORK=$(mktemp -d /tmp/entropyd-se.XXXXXX)
export HERE ROOT WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"
NAME=entropyd_hostagent

# As deploy/README.md says.
grep -F "checkmodule -M -m -o $NAME.mod $NAME.te" "$ROOT/deploy/README.md" >steps || die "the README has other steps"
cp "$ROOT/deploy/selinux/"* .
checkmodule -M -m -o $NAME.mod $NAME.te
semodule_package -o $NAME.pp -m $NAME.mod -f $NAME.fc

checkmodule -M -o base.mod "$ROOT/tests/deploy/selinux_base.te"
semodule_package -o base.pp -m base.mod
host=(base.pp)
if [ -n "${SELINUX_MODULES:-}" ]; then
  host=("$SELINUX_MODULES/base.pp")
  for module in "$SELINUX_MODULES"/*.pp; do [ "$module" = "${host[0]}" ] || host+=("$module"); done
fi
# rules_of MODULE…: the rules of the host with these modules, a line each.
rules_of() {
  local modules=("${host[@]}" "$@")
  if [ ${#modules[@]} = 1 ]; then
    cp "${modules[0]}" linked.pp
  else
    semodule_link -o linked.pp "${modules[@]}" >link.log 2>&1 || die "$(tail -n 5 link.log)"
  fi
  semodule_expand linked.pp policy.bin >expand.log 2>&1 || die "$(tail -n 5 expand.log)"
  checkpolicy -b -M -F -o policy.conf policy.bin >check.log 2>&1 || die "$(tail -n 5 check.log)"
  grep -E '^ *(allow|permissive|type_transition)' policy.conf | sed 's/^ *//' | sort -u
}
rules_of >before.txt
rules_of $NAME.pp >after.txt
comm -13 before.txt after.txt >added.txt

# What QEMU may do that it might not do before: this, and no more.
cat >expected.txt <<'RULES'
allow virt_domain entropyd_hostagent_guest_t:dir { getattr open search };
allow virt_domain entropyd_hostagent_guest_t:fifo_file { getattr ioctl lock open read };
allow virt_domain entropyd_hostagent_guest_t:sock_file { getattr write };
allow virt_domain entropyd_hostagent_run_t:dir { getattr open search };
allow virt_domain entropyd_hostagent_t:unix_stream_socket { connectto };
RULES
# The permissions of a rule in one order.
sorted() { python3 -c '
import re, sys
for line in sys.stdin:
    print(re.sub(r"\{ (.*) \}", lambda m: "{ " + " ".join(sorted(m[1].split())) + " }", line), end="")'; }
grep -E '^allow (virt_domain|svirt[a-z_]*) ' added.txt | sorted | sort >qemu.txt
diff expected.txt qemu.txt || die "QEMU may do something else than it should"
# What others may do has to do with the agent alone.
grep -v entropyd_hostagent added.txt >foreign.txt || [ $? = 1 ]
[ ! -s foreign.txt ] || die "the module changes what has nothing to do with the agent: $(cat foreign.txt)"
# The control socket and the one for successors have the folder's type, and QEMU may not write there.
lacks qemu.txt 'entropyd_hostagent_run_t:(sock_file|file)' || die "QEMU may use the control socket"

# type_of FILE KIND: the type that the contexts give it; the last line that fits counts, as for setfiles.
type_of() {
  local pattern kind context found=
  while IFS=$'\t' read -r pattern kind context; do
    [ -n "$context" ] || { context=$kind; kind=; }
    [[ $1 =~ ^$pattern$ ]] && [[ -z $kind || $kind = "$2" ]] && found=$context
  done <$NAME.fc
  [ -n "$found" ] || { echo none; return; }
  cut -d: -f3 <<<"$found"
}
for socket in egd.sock class/gold.sock guest/vm-1.sock; do
  alike "$(type_of /run/entropyd/$socket -s)" entropyd_hostagent_guest_t
done
alike "$(type_of /run/entropyd/fifo/bulk -p)" entropyd_hostagent_guest_t
for socket in agent.sock agent.sock.handover control.sock egd.sock.handover; do
  alike "$(type_of /run/entropyd/$socket -s)" entropyd_hostagent_run_t
done
alike "$(type_of /usr/bin/entropyd-hostagent --)" entropyd_hostagent_exec_t
alike "$(type_of /usr/bin/entropyd --)" none
echo "SELinux: compiled, linked with a policy of ${#host[@]} modules; QEMU gets at the guests' sockets alone"

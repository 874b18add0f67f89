#!/usr/bin/env bash
# QEMU guests read hardware entropy through the real agent and server.
#
#   tests/guest/run.sh
#
# 1. two guests boot on one agent's socket and read 64 KiB each from /dev/hwrng;
# 2. no 16-byte block is in both, or twice in one;
# 3. rngtest accepts 1 MB drawn from the same socket beside them.
# Without /dev/kvm the guests run under TCG: slower, same test.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export HERE=$HERE/../integration ROOT
ROOT=$(cd "$HERE/../.." && pwd)
BIN=${BIN:-$ROOT/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-gt.XXXXXX)
export BIN WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"

ENTROPYD_GUEST_KERNEL=${ENTROPYD_GUEST_KERNEL:-$ROOT/build/guest-kernel}
export ENTROPYD_GUEST_KERNEL
"$ROOT/deploy/fetch-guest-kernel.sh" "$ENTROPYD_GUEST_KERNEL"

make_pki
start_server
start_agent
for guest in 1 2; do
  "$BIN/entropyctl" guest-boot --socket "$WORK/egd.sock" --bytes 65536 --dump "guest$guest.bin" -o json \
    >"guest$guest.json" 2>"guest$guest.log" &
  booting[guest]=$!
done
egd egd.sock read 1000000 --out sample
for guest in 1 2; do
  wait "${booting[guest]}" || { cat "guest$guest.log"; die "guest $guest did not read"; }
  cat "guest$guest.json"
  [ "$(stat -c %s "guest$guest.bin")" -ge 65536 ] || die "guest $guest read too little"
done
# The agent knew its peers for QEMUs and primed them, unasked.
[ "$(metric agent entropyd_agent_primed_bytes_total)" -ge 128 ] || die "the guests' QEMUs were not primed"
/usr/bin/python3 "$HERE/blocks.py" guest1.bin guest2.bin sample
# An ideal source fails one block in about 1,250; of 400 blocks more than 6 fail once in 10^7 runs.
rngtest <sample >rngtest.log 2>&1 || [ $? = 1 ]
successes=$(sed -n 's/.*FIPS 140-2 successes: //p' rngtest.log)
[ "$successes" -ge 393 ] || die "rngtest: only $successes of 400 blocks accepted"
echo "guest: two guests read 64 KiB each, no block twice, rngtest accepted $successes of 400 blocks"

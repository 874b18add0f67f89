#!/usr/bin/env bash
# From a fresh Debian 12 to entropy at a socket: installs what it needs, builds, runs the demo.
#
#   deploy/quickstart.sh [--guest] [--seconds N]
#
#   --guest      also boot a Debian kernel under QEMU and show what it reads from /dev/hwrng
#   --seconds N  end after N seconds (default: 20; 0 = until Ctrl-C)
#
# Ends with a verdict; exit 0 when bytes were served.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

guest=() seconds=20
while [ $# -gt 0 ]; do
  case "$1" in
    --guest) guest=(--guest) ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --seconds=*) seconds=${1#*=} ;;
    -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
case "$seconds" in *[!0-9]*|'') echo "quickstart.sh: --seconds wants a whole number, not '$seconds'" >&2; exit 2 ;; esac

step() { printf '\n== %s\n' "$*"; }
fail() { printf '\nquickstart: FAILED: %s\n' "$*" >&2; exit 1; }

step "1/3 packages"
deploy/install-packages.sh build ${guest:+guest} || fail "packages could not be installed"
echo "packages: all there"

step "2/3 build (a few minutes the first time)"
mkdir -p build
cmake --preset release -DENTROPYD_TESTS=OFF -DENTROPYD_BENCH=OFF -DENTROPYD_WERROR=OFF \
  >build/quickstart-configure.log 2>&1 ||
  { tail -n 30 build/quickstart-configure.log >&2; fail "cmake; the whole log is build/quickstart-configure.log"; }
cmake --build --preset release --target entropyd entropyd-hostagent entropyctl entropyd-guest-init ||
  fail "the build; the errors are above"

step "3/3 demo"
options=()
[ "$seconds" = 0 ] || options+=(--seconds "$seconds")
if [ ${#guest[@]} -gt 0 ]; then
  ENTROPYD_GUEST_KERNEL=$PWD/build/guest-kernel
  export ENTROPYD_GUEST_KERNEL
  deploy/fetch-guest-kernel.sh "$ENTROPYD_GUEST_KERNEL" || fail "the guest's kernel could not be fetched"
fi
if build/release/bin/entropyctl demo "${guest[@]}" "${options[@]}"; then
  printf '\nquickstart: OK. The programs are in build/release/bin; README.md tells how to go on.\n'
else
  fail "the demo; its messages are above"
fi

#!/usr/bin/env bash
# Installs the Debian packages for a purpose, and skips those that are there already.
#
#   deploy/install-packages.sh build        what compiles the three programs
#   deploy/install-packages.sh guest        what boots a guest under QEMU
#   deploy/install-packages.sh libvirt      what boots it under libvirt
#   deploy/install-packages.sh test         what tests/run.sh needs beyond that
#
# Debian 12 or newer; root, or sudo. Exit 0: everything is there; 1: says what could not be installed.
set -euo pipefail

packages_for() {
  case "$1" in
    build) echo g++ cmake ninja-build pkg-config libgrpc++-dev protobuf-compiler protobuf-compiler-grpc \
      libprotobuf-dev libabsl-dev libssl-dev prometheus-cpp-dev libcurl4-openssl-dev zlib1g-dev \
      libyaml-cpp-dev libcli11-dev libsystemd-dev libcpp-httplib-dev libp11-kit-dev libtss2-dev libxml2-dev ;;
    guest) echo qemu-system-x86 seabios kmod xz-utils ;;
    libvirt) echo libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system libvirt-clients apparmor ;;
    test) echo git python3 python3-yaml python3-jsonschema libgtest-dev libgmock-dev libbenchmark-dev clang \
      libclang-rt-14-dev clang-format clang-tidy ccache mold openssl rng-tools5 ent curl prometheus systemd \
      kubernetes-client procps iproute2 shellcheck softhsm2 swtpm dpkg-dev file postfix systemd-container \
      checkpolicy semodule-utils ;;
    *) echo "install-packages.sh: unknown purpose '$1'; use build, guest, libvirt or test" >&2; exit 1 ;;
  esac
}

if ! command -v apt-get >/dev/null; then
  echo "install-packages.sh: no apt-get here; entropyd is built on Debian 12 or newer." >&2
  echo "  On another system install these by hand: $(for p in "$@"; do packages_for "$p"; done)" >&2
  exit 1
fi

missing=()
for purpose in "$@"; do
  for package in $(packages_for "$purpose"); do
    # Debian 13 ships another clang; its runtime package follows the compiler's version.
    if [ "$package" = libclang-rt-14-dev ] && ! apt-cache show libclang-rt-14-dev >/dev/null 2>&1 \
        && apt-cache show libclang-rt-19-dev >/dev/null 2>&1; then
      package=libclang-rt-19-dev
    fi
    # Any kubectl is good: a machine may have a newer one from elsewhere.
    if [ "$package" = kubernetes-client ] && command -v kubectl >/dev/null; then continue; fi
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || echo absent)
    [ "$state" = installed ] || missing+=("$package")
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-packages.sh: need root or sudo to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "install-packages.sh: apt-get $1 failed; mend that (network, sources list, disk) and start again" >&2
    exit 1
  fi
}
# Installs the programs of Postfix, but no mail server: without a configuration it does not start.
if [[ " ${missing[*]} " == *" postfix "* ]]; then
  echo 'postfix postfix/main_mailer_type select No configuration' | "${as_root[@]}" debconf-set-selections
fi
echo "installing ${#missing[@]} packages: ${missing[*]}"
apt update
# Removes nothing for it: the machine's own mail server stays.
apt install -y --no-install-recommends --no-remove "${missing[@]}"

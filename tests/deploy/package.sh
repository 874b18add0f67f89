#!/usr/bin/env bash
# The Debian packages, made of the programs just built, and installed for real: dpkg in a root of its own (an
# overlay over this machine's, gone at the end) upgrades the agent under a reader that must notice nothing.
set -euo pipefail
if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { echo "package.sh: needs root, for mounts that nobody else sees" >&2; exit 1; }
  exec unshare --mount --propagation private "$0" --inside
fi
DEPLOY_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$DEPLOY_TESTS/../.." && pwd)
HERE=$ROOT/tests/integration
BIN=${BIN:-$ROOT/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-pkg.XXXXXX)
export DEPLOY_TESTS ROOT HERE BIN WORK
. "$HERE/lib.sh"
finish() {
  local status=$?
  trap - ERR
  set +e
  stop_everything
  if [ $status -ne 0 ]; then tail -n 20 "$WORK"/*.log "$WORK"/said 2>/dev/null || true; fi
  cd /
  umount -R "$WORK" && rm -rf "$WORK"
  exit $status
}
trap finish EXIT
trap 'echo "FAILED: line $LINENO: $BASH_COMMAND" >&2' ERR
set -E
mount -t tmpfs tmpfs "$WORK"
cd "$WORK"
host_database=$(md5sum /var/lib/dpkg/status)

# --- what is in them --------------------------------------------------------------------------------
cpack --config "$BIN/../CPackConfig.cmake" -B "$WORK/made" >cpack.log
version=$(sed -n 's/^set(CPACK_PACKAGE_VERSION "\(.*\)")$/\1/p' "$BIN/../CPackConfig.cmake")
architecture=$(dpkg --print-architecture)
file_of() { echo "$WORK/made/$1_${version}_$architecture.deb"; }
field_of() { dpkg-deb --field "$(file_of "$1")" "$2"; }
has() { dpkg-deb --contents "$(file_of "$1")" | grep " \./$2$" >has || die "$1 has no /$2"; }
[ "$(ls made/*.deb | wc -l)" = 3 ]
has entropyd usr/bin/entropyd
has entropyd usr/lib/systemd/system/entropyd.service
has entropyd-hostagent usr/bin/entropyd-hostagent
has entropyd-hostagent usr/lib/systemd/system/entropyd-hostagent.service
has entropyd-hostagent usr/lib/systemd/system/entropyd-hostagent.socket
has entropyd-hostagent usr/share/entropyd/apparmor/libvirt-qemu
has entropyctl usr/bin/entropyctl
for example in entropyd/examples/server entropyd-hostagent/examples/agent entropyctl/examples/client; do
  has "${example%%/*}" "usr/share/doc/$example.yaml"
done
for package in entropyd entropyd-hostagent entropyctl; do
  [ "$(field_of $package Package)" = $package ]
  has $package "usr/share/doc/$package/copyright"
  has $package "usr/share/doc/$package/changelog.gz"
  field_of $package Depends | grep -q 'libgrpc++.*libssl3' || die "$package does not depend on its libraries"
done
field_of entropyd-hostagent Depends | grep -q "entropyctl (>= $version)"

# --- other versions of them ---------------------------------------------------------------------------
# remade PACKAGE VERSION [PROGRAM]: the same with another version, and PROGRAM in the place of its own.
remade() {
  local package=$1 tree=$WORK/tree
  dpkg-deb --raw-extract "$(file_of "$package")" "$tree"
  sed -i "s/^Version: .*/Version: $2/" "$tree/DEBIAN/control"
  [ -z "${3:-}" ] || cp "$3" "$tree/usr/bin/$package"
  dpkg-deb -Znone --build "$tree" "$WORK/new/${package}_$2.deb" >>remade.log
  rm -r "$tree"
}
mkdir new
remade entropyd-hostagent "$version+2"
remade entropyd-hostagent "$version+3" /bin/false
remade entropyd-hostagent "$version+4"

# --- a machine to install them on -----------------------------------------------------------------------
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" root
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/tmp
mount -t tmpfs tmpfs root/run
mount --rbind /dev root/dev
mkdir -p root/tmp/made root/run/systemd/system root/usr/local/lib/recorded
cp made/*.deb new/*.deb root/tmp/made
# No systemd runs there; this writes down what it is told.
cat >root/usr/local/lib/recorded/systemctl <<'SH'
#!/bin/sh
echo "$*" >>/tmp/told
SH
chmod 755 root/usr/local/lib/recorded/systemctl
on_machine() { chroot "$WORK/root" env PATH=/usr/local/lib/recorded:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
installs() { on_machine dpkg --force-unsafe-io --install "$@" >said 2>&1; }
told() { cat root/tmp/told 2>/dev/null || true; }
has_version() { [ "$(on_machine dpkg-query -W -f '${Status} ${Version}' entropyd-hostagent)" = "install ok installed $1" ]; }

installs /tmp/made/{entropyd,entropyd-hostagent,entropyctl}_"${version}_$architecture.deb"
grep -q 'entropyd-hostagent: nothing was started' said
grep -q 'entropyd: nothing was started' said
grep -q 'agent.yaml' said
has_version "$version"
[ "$(told | sort -u)" = daemon-reload ] || die "systemctl was told: $(told)"

# --- an agent on it, and a guest ------------------------------------------------------------------------------
make_pki
start_server
mkdir -p root/etc/entropyd root/var/lib/entropyd-hostagent
cp -r pki root/etc/entropyd/tls
cat >root/etc/entropyd/agent.yaml <<YAML
servers: ["127.0.0.1:$(port_of server grpc)"]
tls: {cert: /etc/entropyd/tls/agent.crt, key: /etc/entropyd/tls/agent.key, ca: /etc/entropyd/tls/ca.crt}
metrics: 127.0.0.1:0
control: "/run/entropyd/control.sock"   # not the usual one
listeners:
  - {path: /run/entropyd/egd.sock, mode: "0660", class: default/gold}
YAML
mkdir root/run/entropyd
socket=$WORK/root/run/entropyd/egd.sock
spawn agent chroot "$WORK/root" /usr/bin/entropyd-hostagent --config /etc/entropyd/agent.yaml
eventually 10 test -S root/run/entropyd/control.sock
eventually 10 egd "$socket" read 64
first=$(egd "$socket" pid)
[ "$first" = "$(pid_of agent)" ]
spawn watch "$BIN/it_egd_watch" "$socket" 16 4 20

installs "/tmp/made/entropyd-hostagent_$version+2.deb"
second=$(egd "$socket" pid)
echo "$second" >second.pid
[ "$second" != "$first" ] || die "the old process still serves: $(cat said)"
eventually 5 test ! -d "/proc/$first"
has_version "$version+2"
[ "$(stat -L -c %i "/proc/$second/exe")" = "$(stat -c %i root/usr/bin/entropyd-hostagent)" ] || die "it is not the new program"

# A version that does not start: the package is there, the guests are where they were.
eventually 5 test -S root/run/entropyd/control.sock
installs "/tmp/made/entropyd-hostagent_$version+3.deb"
grep -q 'ended with status 1' said
grep -q 'The version that runs serves on' said
grep -q 'entropyctl --control /run/entropyd/control.sock agent upgrade' said
has_version "$version+3"
[ "$(egd "$socket" pid)" = "$second" ]

installs "/tmp/made/entropyd-hostagent_$version+4.deb"
third=$(egd "$socket" pid)
echo "$third" >third.pid
[ "$third" != "$second" ]
eventually 5 test ! -d "/proc/$second"
[ "$(told | sort -u)" = daemon-reload ] || die "an upgrade stops something: $(told)"

watch=$(pid_of watch)
kill -TERM "$watch"
wait "$watch" || die "$(tail -n 1 watch.log)"
rm watch.pid
tail -n 1 watch.log | grep -q '"closed": 0, "missing": 0, "surplus": 0, "blocks_twice": 0'
tail -n 1 watch.log

# --- and it goes ---------------------------------------------------------------------------------------------
stop third
installs "/tmp/made/entropyd-hostagent_$version+2.deb"   # nobody runs: nothing to hand over, nothing to complain of
grep -q 'serves on' said && die "$(cat said)"
on_machine dpkg --remove entropyd-hostagent >said 2>&1
told | grep -q '^stop entropyd-hostagent.socket entropyd-hostagent.service$'
[ ! -e root/usr/bin/entropyd-hostagent ]
[ -e root/var/lib/entropyd-hostagent/host_id ] || die "removal took the host's identity"
on_machine dpkg --purge entropyd-hostagent entropyd entropyctl >said 2>&1
[ ! -e root/var/lib/entropyd-hostagent ]
[ -e root/etc/entropyd/agent.yaml ]
[ "$(md5sum /var/lib/dpkg/status)" = "$host_database" ] || die "this machine's own package database changed"
echo "packages: installed, upgraded, upgraded to one that does not start, mended, removed, purged"

#!/bin/sh
# Fetches the kernel that the test guest boots: Debian's cloud kernel, downloaded and unpacked, never
# installed.
#
#   deploy/fetch-guest-kernel.sh [DIR]
#
# DIR (default: $ENTROPYD_GUEST_KERNEL, else ${XDG_CACHE_HOME:-~/.cache}/entropyd/guest) holds afterwards
#   vmlinuz        the kernel
#   modules/       what virtio-rng needs, uncompressed
#   modules.list   their file names in the order in which they load
#   version        of the kernel
# `entropyctl demo --guest` looks there. The script does nothing when DIR is complete. It needs apt-get
# and dpkg-deb, and root only when the package lists were never fetched.
set -eu

say() { printf '%s\n' "fetch-guest-kernel: $*" >&2; }
die() { say "$*"; exit 1; }

case "${1-}" in
  -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) say "unknown option $1; usage: fetch-guest-kernel.sh [DIR]"; exit 2 ;;
esac
if [ -n "${1-}" ]; then
  dir=$1
elif [ -n "${ENTROPYD_GUEST_KERNEL-}" ]; then
  dir=$ENTROPYD_GUEST_KERNEL
else
  dir=${XDG_CACHE_HOME:-${HOME:?set HOME or name a directory}/.cache}/entropyd/guest
fi

report() {
  printf 'kernel %s (%s)\n' "$dir/vmlinuz" "$(cat "$dir/version")"
  printf 'modules %s\n' "$(tr '\n' ' ' <"$dir/modules.list")"
}

if [ -s "$dir/vmlinuz" ] && [ -s "$dir/version" ] && [ -f "$dir/modules.list" ]; then
  report
  exit 0
fi

for tool in apt-get apt-cache dpkg-deb find sed grep tr; do
  command -v "$tool" >/dev/null || die "$tool is missing; this script needs Debian or a relative of it"
done
case "$(dpkg --print-architecture)" in
  amd64) meta=linux-image-cloud-amd64 ;;
  *) die "the test guest is x86-64 only; this machine is $(dpkg --print-architecture)" ;;
esac

# The meta package names the versioned one. A new system has no package lists.
versioned() {
  LC_ALL=C apt-cache depends "$meta" 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[^ <>]*\)$/\1/p' | sed -n 1p
}
package=$(versioned)
if [ -z "$package" ]; then
  [ "$(id -u)" = 0 ] || die "apt does not know $meta; run as root first: apt-get update"
  say "fetching package lists"
  apt-get update -qq || die "apt-get update failed; check the network and /etc/apt/sources.list"
  package=$(versioned)
  [ -n "$package" ] || die "no package $meta in /etc/apt/sources.list; add Debian's main section"
fi

mkdir -p "$dir" || die "cannot make $dir; name a directory that you may write to"
dir=$(cd "$dir" && pwd) || die "cannot enter $dir"
work=$(mktemp -d "$dir/.fetch.XXXXXX") || die "cannot write to $dir"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# As root, apt drops its privileges for the download, and then cannot write to a private directory. It
# checks the signature of the package in both cases.
sandbox=
[ "$(id -u)" = 0 ] && sandbox=-oAPT::Sandbox::User=root
say "downloading $package"
if ! (cd "$work" && apt-get download -qq $sandbox "$package" >"$work/apt.log" 2>&1); then
  cat "$work/apt.log" >&2
  die "cannot download $package; the package lists may be out of date: run apt-get update as root and try again"
fi
dpkg-deb -x "$work"/linux-image-*.deb "$work/root" || die "cannot unpack $package; is the disk full?"

kernel=$(find "$work/root/boot" -name 'vmlinuz-*' | sed -n 1p)
[ -n "$kernel" ] || die "$package holds no boot/vmlinuz-*"
version=${kernel##*/vmlinuz-}
# Debian 13 moved /lib to /usr/lib.
tree=$(find "$work/root" -type d -path "*/modules/$version/kernel" | sed -n 1p)
[ -n "$tree" ] || die "$package holds no modules of $version"

# unpack NAME: writes $work/out/modules/NAME.ko, uncompressed, after the modules that it depends on. The
# kernel writes a name with '_', the file system with '_' or '-'. A module without a file is built into
# the kernel (or this kernel has no such part).
mkdir -p "$work/out/modules"
: >"$work/out/modules.list"
unpack() {
  name=$(printf %s "$1" | tr '-' '_')
  if grep -qx "$name.ko" "$work/out/modules.list"; then return 0; fi
  file=$(find "$tree" -name '*.ko*' | while read -r path; do
    base=${path##*/}
    if [ "$(printf %s "${base%%.ko*}" | tr '-' '_')" = "$name" ]; then echo "$path"; fi
  done | sed -n 1p)
  [ -n "$file" ] || return 0
  out=$work/out/modules/$name.ko
  case "$file" in
    *.ko) cp "$file" "$out" ;;
    *.ko.xz) command -v xz >/dev/null || die "xz is missing; apt-get install xz-utils"
      xz -dc "$file" >"$out" ;;
    *.ko.zst) command -v zstd >/dev/null || die "zstd is missing; apt-get install zstd"
      zstd -qdc "$file" >"$out" ;;
    *.ko.gz) gzip -dc "$file" >"$out" ;;
    *) die "cannot unpack $file" ;;
  esac
  # .modinfo holds NUL-terminated strings; "depends=a,b" is one of them.
  for needed in $(tr '\0' '\n' <"$out" | LC_ALL=C sed -n 's/^depends=\(.*\)$/\1/p' | tr ',' ' '); do
    unpack "$needed"
  done
  # The recursion has overwritten the plain variables of this call.
  printf '%s.ko\n' "$(printf %s "$1" | tr '-' '_')" >>"$work/out/modules.list"
}
for wanted in virtio_pci rng-core virtio-rng; do
  unpack "$wanted"
done
if ! grep -qx virtio_rng.ko "$work/out/modules.list" &&
  ! grep -qs '^CONFIG_HW_RANDOM_VIRTIO=y' "$work/root/boot/config-$version"; then
  die "$package has no virtio-rng driver"
fi

cp "$kernel" "$work/out/vmlinuz"
printf '%s\n' "$version" >"$work/out/version"
rm -rf "$dir/modules"
# The version comes last: when it exists, the rest is complete.
for part in vmlinuz modules modules.list version; do
  mv -f "$work/out/$part" "$dir/$part"
done
report

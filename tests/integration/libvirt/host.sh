#!/usr/bin/env bash
# The first process of one of the suite's two hosts: a mount, host name and process namespace of its
# own, in which a libvirtd runs that nobody else sees.
#
#   unshare --mount --uts --pid --fork --kill-child host.sh NAME DIR
#
# DIR/shared is both hosts' /run/shared; DIR/NAME.host appears when libvirtd has been started. Ends
# when it is killed, and everything in it ends with it.
set -euo pipefail
name=$1 dir=$2
hostname "$name"
mount -t proc proc /proc
for private in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do
  mount -t tmpfs tmpfs "$private"
done
mkdir -p /run/lock /run/entropyd /run/shared/migration "/run/shared/$name" /var/lib/libvirt/images
mount --bind "$dir/shared" /run/shared
mkdir -p "/run/shared/$name"
cat >/etc/libvirt/libvirtd.conf <<CONF
unix_sock_dir = "/run/shared/$name"
auth_unix_rw = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_outputs = "3:stderr"
CONF
# Neither cgroups nor a security driver need be there, nor a virtlogd. QEMU runs as the package has
# it: as libvirt-qemu, which may use the agent's socket through its group only.
cat >/etc/libvirt/qemu.conf <<CONF
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
libvirtd -f /etc/libvirt/libvirtd.conf &
touch "$dir/$name.host"
# QEMUs become this process's children; they are gathered here, however they have ended.
set +e
while :; do
  wait -n
  sleep 1 &
done

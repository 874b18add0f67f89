#!/usr/bin/env bash
# The Debian packages, made of the programs just built, and installed for real on a machine of their own (machine.sh):
# dpkg and systemd upgrade the agent under a reader that must notice nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

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
has entropyd-hostagent usr/share/entropyd/selinux/entropyd_hostagent.te
has entropyd-hostagent usr/share/entropyd/selinux/entropyd_hostagent.fc
has entropyctl usr/bin/entropyctl
for example in entropyd/examples/server entropyd-hostagent/examples/agent entropyctl/examples/client; do
  has "${example%%/*}" "usr/share/doc/$example.yaml"
done
for package in entropyd entropyd-hostagent entropyctl; do
  [ "$(field_of $package Package)" = $package ]
  has $package "usr/share/doc/$package/copyright"
  has $package "usr/share/doc/$package/changelog.gz"
  field_of $package Depends | grep 'libgrpc++.*libssl3' >/dev/null || die "$package does not depend on its libraries"
done
field_of entropyd-hostagent Depends | grep "entropyctl (>= $version)" >/dev/null

# --- under another prefix the units run what is there ----------------------------------------------------
DESTDIR=$WORK/elsewhere cmake --install "$BIN/.." --prefix /usr/local >install.log
units=elsewhere/usr/local/lib/systemd/system
for program in entropyd entropyd-hostagent; do
  grep -q "^ExecStart=/usr/local/bin/$program " $units/$program.service || die "$program.service runs another program"
  dpkg-deb --fsys-tarfile "$(file_of $program)" | tar -xO "./usr/lib/systemd/system/$program.service" >packaged.service
  grep -q "^ExecStart=/usr/bin/$program " packaged.service || die "the package's $program.service runs another program"
done
grep -q '^ExecReload=/usr/local/bin/entropyctl ' $units/entropyd-hostagent.service

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
remade entropyd "$version+3" /bin/false
remade entropyd "$version+4"

# --- a machine to install them on -----------------------------------------------------------------------
make_machine
mkdir -p root/opt/made
cp made/*.deb new/*.deb root/opt/made
boot_machine
installs() { on_machine dpkg --force-unsafe-io --install "$@" >said 2>&1; }
has_version() { [ "$(on_machine dpkg-query -W -f '${Status} ${Version}' "$1")" = "install ok installed $2" ]; }
is_main_of() { [ "$1" = "$(property_of "$2" MainPID)" ]; }

installs /opt/made/{entropyd,entropyd-hostagent,entropyctl}_"${version}_$architecture.deb"
grep -q 'entropyd-hostagent: nothing was started' said
grep -q 'entropyd: nothing was started' said
grep -q 'agent.yaml' said
has_version entropyd-hostagent "$version"
for unit in entropyd.service entropyd-hostagent.service entropyd-hostagent.socket; do
  [ "$(property_of $unit LoadState),$(property_of $unit ActiveState)" = loaded,inactive ] ||
    die "$unit is not there, or started"
done

for folder in /etc/entropyd /etc/entropyd/tls; do
  alike "$(on_machine stat -c '%a %U:%G' $folder)" '750 root:root'
done

# --- server and agent on it, and a guest ----------------------------------------------------------------------
make_pki
configure_machine
sed -i 's|^control: .*||; $acontrol: "/run/entropyd/control.sock"   # not the usual one' root/etc/entropyd/agent.yaml
on_machine systemctl enable entropyd entropyd-hostagent entropyd-hostagent.socket
on_machine systemctl start entropyd entropyd-hostagent
alike "$(on_machine stat -c %U /etc/entropyd)" root   # whoever runs the server: the configuration is not theirs
socket=$(at_machine /run/entropyd/egd.sock)
eventually 10 egd "$socket" read 64
first=$(egd "$socket" pid)
is_main_of "$first" entropyd-hostagent
spawn watch "$BIN/it_egd_watch" "$socket" 16 4 20

installs "/opt/made/entropyd-hostagent_$version+2.deb"
second=$(egd "$socket" pid)
[ "$second" != "$first" ] || die "the old process still serves: $(cat said)"
eventually 5 is_main_of "$second" entropyd-hostagent
eventually 5 on_machine test ! -d "/proc/$first"
has_version entropyd-hostagent "$version+2"
on_machine test "/proc/$second/exe" -ef /usr/bin/entropyd-hostagent || die "it is not the new program"

# A version that does not start: the package is there, the guests are where they were.
eventually 5 on_machine test -S /run/entropyd/control.sock
installs "/opt/made/entropyd-hostagent_$version+3.deb"
grep -q 'ended with status 1' said
grep -q 'The version that runs serves on' said
grep -q 'entropyctl --control /run/entropyd/control.sock agent upgrade' said
has_version entropyd-hostagent "$version+3"
[ "$(egd "$socket" pid)" = "$second" ]
is_main_of "$second" entropyd-hostagent

# One that cannot be asked is not taken for none.
sed -i.asked 's|/run/entropyd/control.sock|/run/entropyd/elsewhere.sock|' root/etc/entropyd/agent.yaml
installs "/opt/made/entropyd-hostagent_$version+2.deb"
grep -q 'nobody answers at /run/entropyd/elsewhere.sock' said
[ "$(egd "$socket" pid)" = "$second" ]
mv root/etc/entropyd/agent.yaml.asked root/etc/entropyd/agent.yaml

installs "/opt/made/entropyd-hostagent_$version+4.deb"
third=$(egd "$socket" pid)
[ "$third" != "$second" ]
eventually 5 is_main_of "$third" entropyd-hostagent
eventually 5 on_machine test ! -d "/proc/$second"
[ "$(property_of entropyd-hostagent ActiveState) $(property_of entropyd-hostagent NRestarts)" = "active 0" ] ||
  die "an upgrade restarts something"

# A server is restarted, unless its new version refuses the configuration. Buffers bridge it.
before=$(property_of entropyd MainPID)
installs "/opt/made/entropyd_$version+3.deb"
grep -q 'this version refuses the configuration' said
[ "$(property_of entropyd MainPID)" = "$before" ] || die "the server that served is gone"
installs "/opt/made/entropyd_$version+4.deb"
after=$(property_of entropyd MainPID)
[ "$after" != "$before" ] && [ "$after" != 0 ] || die "the server was not restarted"
[ "$(property_of entropyd ActiveState)" = active ]
noticed_nothing watch

# An agent that hangs is there, too: it serves again when it goes on.
hung=$(property_of entropyd-hostagent MainPID)
on_machine kill -STOP "$hung"
installs "/opt/made/entropyd-hostagent_$version+2.deb"
on_machine kill -CONT "$hung"
grep -q 'the agent runs, but nobody answers at /run/entropyd/control.sock' said
is_main_of "$hung" entropyd-hostagent || die "an agent that hung for a while is gone"
egd "$socket" read 64

# What somebody has disabled stays so when it is upgraded, and runs on.
on_machine systemctl disable entropyd-hostagent entropyd-hostagent.socket
installs "/opt/made/entropyd-hostagent_$version+4.deb"
for unit in entropyd-hostagent.service entropyd-hostagent.socket; do
  alike "$(property_of $unit UnitFileState)" disabled
done
fourth=$(egd "$socket" pid)
eventually 5 is_main_of "$fourth" entropyd-hostagent
[ "$(property_of entropyd-hostagent ActiveState)" = active ]
on_machine systemctl enable entropyd-hostagent entropyd-hostagent.socket

# --- and it goes ---------------------------------------------------------------------------------------------
on_machine systemctl stop entropyd-hostagent
installs "/opt/made/entropyd-hostagent_$version+2.deb"   # nobody runs: nothing to hand over, nothing to complain of
lacks said 'serves on' || die "nobody served, and it says that somebody serves on"
[ "$(property_of entropyd-hostagent ActiveState)" = inactive ] || die "an agent that was stopped runs again"
on_machine systemctl start entropyd-hostagent.socket entropyd-hostagent
on_machine dpkg --remove entropyd-hostagent >said 2>&1
for unit in entropyd-hostagent.service entropyd-hostagent.socket; do
  [ "$(property_of $unit ActiveState)" = inactive ] || die "$unit outlives its package"
done
[ ! -e root/usr/bin/entropyd-hostagent ]
[ -e root/var/lib/entropyd-hostagent/host_id ] || die "removal took the host's identity"
# Installed again after a mere removal, it is the same host, and nothing starts by itself.
identity=$(cat root/var/lib/entropyd-hostagent/host_id)
installs "/opt/made/entropyd-hostagent_$version+4.deb"
lacks said 'serves on' || die "nobody served, and it says that somebody serves on"
[ "$(property_of entropyd-hostagent ActiveState)" = inactive ] || die "an installation starts the agent"
on_machine systemctl start entropyd-hostagent
eventually 10 egd "$socket" read 64
alike "$(cat root/var/lib/entropyd-hostagent/host_id)" "$identity"
on_machine dpkg --remove entropyd-hostagent >said 2>&1
[ "$(property_of entropyd-hostagent ActiveState)" = inactive ]
on_machine dpkg --purge entropyd-hostagent entropyd entropyctl >said 2>&1
[ "$(property_of entropyd ActiveState)" = inactive ]
[ ! -e root/var/lib/entropyd-hostagent ]
[ -e root/etc/entropyd/agent.yaml ]
# Installed again, nothing is enabled by what somebody once wished.
links_left() { find root/etc/systemd -name 'entropyd*' | grep .; }
if links_left; then die "links to units are left"; fi
installs /opt/made/{entropyd,entropyd-hostagent,entropyctl}_"${version}_$architecture.deb"
for unit in entropyd.service entropyd-hostagent.service entropyd-hostagent.socket; do
  alike "$(property_of $unit UnitFileState)" disabled
done
on_machine dpkg --purge entropyd-hostagent entropyd entropyctl >said 2>&1
if links_left; then die "links to units are left"; fi
[ "$(md5sum /var/lib/dpkg/status)" = "$host_database" ] || die "this machine's own package database changed"
echo "packages: installed, upgraded, upgraded to one that does not start, mended, disabled, removed, purged, again"

#!/usr/bin/env bash
# A real systemd runs the units as they are shipped, on a machine of its own (machine.sh): reload, upgrade, a crash, a
# hang, socket activation, under a reader that notices what it may and no more.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

make_machine
cp "$BIN"/{entropyd,entropyd-hostagent,entropyctl} root/usr/bin/
cp "$ROOT"/deploy/systemd/* root/etc/systemd/system/
make_pki
configure_machine
config=root/etc/entropyd/agent.yaml
boot_machine
agent=entropyd-hostagent.service
main_pid() { property_of $agent MainPID; }
is_served_by_another() { differ "$(main_pid)" "$1" && alike "$(egd "$socket" pid)" "$(main_pid)"; }
has_status() { [ -n "$(property_of $agent StatusText)" ]; }
restarts() { property_of $agent NRestarts; }
has_restarted() { [ "$(restarts)" = "$1" ] && egd "$socket" read 64; }
# says UNIT PATTERN: its journal has such a line, or soon has: the journal is written by a process of its own.
journal_has() { on_machine journalctl --no-pager --output=cat --unit="$1" | grep "$2" >/dev/null; }
says() { eventually 5 journal_has "$1" "$2"; }
socket=$(at_machine /run/entropyd/egd.sock)

# Type=notify: a unit has started when it serves.
on_machine systemctl start entropyd entropyd-hostagent.socket $agent
egd "$socket" read 64
alike "$(egd "$socket" pid)" "$(main_pid)"
[ "$(on_machine ps -o comm= -p "$(main_pid)")" = entropyd-hostag ]
eventually 5 has_status
echo "started: $(property_of $agent StatusText)"
spawn watch "$BIN/it_egd_watch" "$socket" 16 4 20

# systemctl reload: another process serves, systemd follows it, nobody notices.
first=$(main_pid)
echo 'defaults: {buffer: 128KiB}' >>$config
on_machine systemctl reload $agent
eventually 5 is_served_by_another "$first"
second=$(main_pid)
[ "$(on_machine ps -o comm= -p "$second")" = entropyd-hostag ] ||
  die "it calls itself $(on_machine ps -o comm= -p "$second")"
cp $config good.yaml
echo 'nonsense: 1' >>$config
if on_machine systemctl reload $agent 2>refused; then die "a wrong configuration was taken"; fi
says $agent "unknown key 'nonsense'"
[ "$(main_pid),$(property_of $agent ActiveState)" = "$second,active" ]
cp good.yaml $config
on_machine systemctl reload $agent
eventually 5 is_served_by_another "$second"
echo "reloaded, refused, reloaded"

# The journal knows which lines are warnings, and which are not; those of a process that took over, too.
on_machine journalctl --no-pager --output=cat --unit=$agent --priority=warning >warnings
grep -Eq 'level=(warning|error)' warnings || die "the journal takes no line of the agent for a warning"
lacks warnings 'level=info' || die "the journal takes each line for a warning"

# SIGUSR2: the program is taken from the disk anew.
third=$(main_pid)
on_machine systemctl kill --kill-whom=main --signal=USR2 $agent
eventually 5 is_served_by_another "$third"
eventually 5 on_machine test ! -d "/proc/$third"
[ "$(restarts)" = 0 ] || die "systemd has restarted what handed itself over"
[ "$(property_of $agent Result)" = success ]
noticed_nothing watch

# A crash of a process that took over, and that systemd did not start itself.
on_machine systemctl kill --kill-whom=main --signal=KILL $agent
eventually 10 has_restarted 1
echo "killed: restarted"

# The watchdog: fed by one that took over, too; and one that hangs is replaced.
mkdir root/etc/systemd/system/$agent.d
printf '[Service]\nWatchdogSec=2\n' >root/etc/systemd/system/$agent.d/watchdog.conf
on_machine systemctl daemon-reload
on_machine systemctl restart $agent
watched=$(main_pid)
on_machine systemctl reload $agent
eventually 5 is_served_by_another "$watched"
watched=$(main_pid)
sleep 5
[ "$(main_pid)" = "$watched" ] || die "the watchdog bit one that served"
before=$(restarts)
on_machine systemctl kill --kill-whom=main --signal=STOP $agent
eventually 20 has_restarted $((before + 1))
says $agent 'Watchdog timeout'
echo "hung: replaced"

# The socket is the socket unit's: it outlives the agent, and the next to ask starts it.
made=$(stat -c %i "$socket")
on_machine systemctl stop $agent
[ "$(property_of $agent ActiveState),$(property_of $agent Result)" = inactive,success ]
[ "$(stat -c %i "$socket")" = "$made" ]
egd "$socket" read 64
[ "$(property_of $agent ActiveState)" = active ]
[ "$(stat -c %i "$socket")" = "$made" ]
echo "asked: started"

# The server ends in time, and agents serve on meanwhile.
started=$SECONDS
on_machine systemctl stop entropyd
[ $((SECONDS - started)) -le 6 ] || die "the server took $((SECONDS - started)) s to end"
[ "$(property_of entropyd Result)" = success ]
egd "$socket" read 64
on_machine systemctl start entropyd
on_machine systemctl stop entropyd-hostagent.socket $agent
[ "$(property_of $agent Result)" = success ]
[ ! -e "$socket" ] || die "the socket outlives its unit"

# An unlucky start: after more failures than systemd forgives by default (5 in 10 s) it tries on, and the unit is there
# when its configuration is mended.
for unit in entropyd $agent; do
  name=server.yaml
  if [ "$unit" = $agent ]; then name=agent.yaml; fi
  cp root/etc/entropyd/$name good.yaml
  on_machine systemctl stop "$unit"
  echo 'nonsense: 1' >>root/etc/entropyd/$name
  if on_machine systemctl start "$unit" 2>>failed.log; then die "$unit starts with a wrong configuration"; fi
  tried() { [ "$(property_of "$unit" NRestarts)" -ge 7 ]; }
  eventually 60 tried
  cp good.yaml root/etc/entropyd/$name
  is_active() { [ "$(property_of "$unit" ActiveState)" = active ]; }
  eventually 20 is_active
done
egd "$socket" read 64
echo "unlucky: tried on, and started"
on_machine systemctl stop entropyd $agent
echo "service-manager: started, reloaded, upgraded, restarted, activated and stopped by a real systemd"

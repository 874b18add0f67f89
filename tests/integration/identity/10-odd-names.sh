# A program whose name is no UTF-8 and has escape codes.
. "$HERE/identity/guests.sh"
. "$HERE/handover/upgrades.sh"
escape=$'\033'
odd="$WORK/bad"$'\xff'"${escape}[31m"
shown='bad\xff\x1b[31m'
cp "$(readlink -f /usr/bin/python3)" "$odd"
mkfifo strange.fifo
spawn strange "$odd" "$HERE/identity/guest.py" "$WORK/known.sock" "$WORK/strange.fifo" "$WORK/strange.out"
held_open strange
eventually 10 grep -q connected strange.out
draws strange 1000
listed() {
  AS=agent ctl guests >strange.guests
  grep -qF "$shown" strange.guests || die "no $shown in $(cat -v strange.guests)"
  lacks strange.guests "$escape" || die "an escape code reaches the terminal"
  is "$shown" program "$shown" || die "it is $(field "$shown" program) in JSON"
}
listed
curl -fsS "http://127.0.0.1:$(port_of agent http)/metrics/guests" >strange.page
iconv -f UTF-8 -t UTF-8 strange.page >strange.utf8 || die "/metrics/guests is no UTF-8"
rm -f agent.ports
AS=agent ctl agent upgrade
adopt_pid
listed
draws strange 500
stop strange 5 143
stop strange-fifo 5 143

# The vocabulary of this suite. Sourced.

# domain NAME PID [CLASS]: NAME.xml as libvirt writes it, by rename.
domain() {
  local file=$WORK/libvirt/$1.xml backend metadata=
  backend="<entropyd:backend xmlns:entropyd='urn:entropyd:libvirt:1' model='pool' name='default' class='${3:-}'/>"
  [ -z "${3:-}" ] || metadata="<metadata>$backend</metadata>"
  cat >"$file.new" <<XML
<domstatus state='running' reason='booted' pid='$2'>
  <domain type='kvm' id='1'><name>$1</name><uuid>$(uuid_of "$1")</uuid>$metadata</domain>
</domstatus>
XML
  mv "$file.new" "$file"
}
uuid_of() { printf '00000000-0000-4000-8000-%012x' "0x$(printf %s "$1" | md5sum | cut -c1-12)"; }

# guest NAME SOCKET [CLASS|-]: a process whose domain exists before it connects; - = no domain.
guest() {
  rm -f "$WORK/$1.fifo" "$WORK/$1.out" "$WORK/$1.go"
  mkfifo "$WORK/$1.fifo"
  # The shell below becomes the guest: its pid is known before it connects.
  spawn "$1" bash -c 'until [ -e "$0.go" ]; do sleep 0.02; done; exec /usr/bin/python3 "$@"' \
    "$WORK/$1" "$HERE/identity/guest.py" "$2" "$WORK/$1.fifo" "$WORK/$1.out"
  held_open "$1"
  [ "${3:-}" = - ] || domain "$1" "$(pid_of "$1")" "${3:-}"
  : >"$WORK/$1.go"
  eventually 10 grep -q connected "$WORK/$1.out"
}
tell() { local name=$1; shift; put "$WORK/$name.fifo" "$@"; }
draws() {  # NAME N: it gets N bytes
  local before
  before=$(grep -c "got $2" "$WORK/$1.out" || [ $? = 1 ])
  tell "$1" "read $2"
  eventually 20 has_drawn "$1" "$2" "$before"
}
has_drawn() { [ "$(grep -c "got $2" "$WORK/$1.out")" -gt "$3" ]; }  # NAME N TIMES: more often than so
# held_open NAME: its pipe has a writer, so that it sees no end between two lines.
held_open() { spawn "$1-fifo" bash -c 'exec sleep infinity >"$1"' _ "$WORK/$1.fifo"; }
leave() { tell "$1" quit; ends "$1" 10; stop "$1-fifo" 5 143; rm -f "$WORK/libvirt/$1.xml"; }
# field NAME KEY: of the guest in `guests -o json`.
field() {
  AS=agent ctl guests -o json | python3 -c '
import json, sys
found = [g for g in json.load(sys.stdin)["guests"] if g["name"] == sys.argv[1]]
print(found[0][sys.argv[2]] if found else "absent")' "$1" "$2"
}
is() { [ "$(field "$1" "$2")" = "$3" ]; }
# guest_metric PATTERN: the sum of the series that match, and how many there are. There must be one.
guest_metric() {
  local page
  page=$(curl -fsS "http://127.0.0.1:$(port_of agent http)/metrics/guests") || die "/metrics/guests does not answer"
  awk -v p="$1" '$0 !~ /^#/ && $0 ~ p {s += $NF; n++} END {if (!n) exit 1; printf "%.0f %d\n", s, n}' <<<"$page" ||
    die "/metrics/guests has no series that matches /$1/"
}

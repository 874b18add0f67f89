# What the steps of this suite say beyond lib.sh. Sourced.
of() {  # NAME FIELD: of a source, as entropyctl says
  ctl sources -o json | /usr/bin/python3 -c '
import json, sys
(listed,) = json.load(sys.stdin).values()
print(next(one for one in listed if one["name"] == sys.argv[1])[sys.argv[2]])' "$1" "$2"
}
is() { [ "$(of "$1" state)" = "SOURCE_STATE_$2" ]; }
lines() { grep -c "event=$1 .*source=$2" server.log || [ $? = 1 ]; }  # EVENT SOURCE: how many
begin_writing() {  # NAME BYTES PAUSE: into $WORK/NAME, again and again, with a pause after each time
  spawn "$1-writer" bash -c 'while true; do exec 3>"$1"; head -c "$2" /dev/urandom >&3; exec 3>&-; sleep "$3"; done' \
    _ "$WORK/$1" "$2" "$3"
}

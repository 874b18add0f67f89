. "$HERE/identity/guests.sh"
agent_pid=$(egd "$WORK/egd.sock" pid)
fds() { find "/proc/$agent_pid/fd" | wc -l; }
churn() { /usr/bin/python3 "$HERE/identity/guest.py" "$WORK/known.sock" --churn "$1"; }
churn 2000   # whatever is kept for good is there by now
before=$(memory_of "$agent_pid")
files=$(fds)
series=$(guest_metric connections | cut -d' ' -f2)
churn 5000 & one=$!
churn 5000 & two=$!
wait $one; wait $two
no_more_files() { [ "$(fds)" -le "$files" ]; }
eventually 5 no_more_files
after=$(memory_of "$agent_pid")
[ "$after" -le $((before + 1024)) ] || die "RSS grew from $before to $after KiB over 10,000 guests"
[ "$(guest_metric connections)" = "0 $series" ]

. "$HERE/handover/upgrades.sh"
fifo=$WORK/fifo/bulk
# A pipe's bytes come in pieces of any length to any of its readers: there is no alignment to hold on to.
are_whole() { /usr/bin/python3 "$HERE/blocks.py" --anywhere "$@"; }
holds() { [ "$(stat -c %s "$1")" -ge "$2" ]; }
grows() { local size; size=$(stat -c %s "$1"); eventually 10 holds "$1" $((size + 4096)); }
restart_with() { cp "$1" agent.yaml; rm -f agent.ports; ctl agent reload; adopt_pid; }

cp agent.yaml sockets.yaml
{ cat sockets.yaml; echo "  - {fifo: $fifo, class: default/gold}"; } >pipe.yaml
# Whoever may write into it would be taken for us.
sed "s|fifo: $fifo|&, mode: \"0660\"|" pipe.yaml >open.yaml
expect_failure 2 'open.yaml:[0-9]+:.*lets others write into the pipe' \
  "$BIN/entropyd-hostagent" --config open.yaml --check-config
mkdir fifo
mkfifo "$fifo"
chown nobody "$fifo"
cp pipe.yaml agent.yaml
expect_failure 1 "open pipe $fifo: it belongs to user .*remove it" ctl agent reload
rm "$fifo"
echo data >"$fifo"
expect_failure 2 "agent.yaml:[0-9]+:[0-9]+: .*'$fifo' is there and is no pipe; choose another path" ctl agent reload
[ "$(cat "$fifo")" = data ]
rm "$fifo"

restart_with pipe.yaml
[ "$(stat -c '%F %a' "$fifo")" = "fifo 640" ] || die "$(stat -c '%F %a' "$fifo")"
"$BIN/entropyctl" --control "$WORK/agent.sock" status | grep -x "listener fifo:$fifo -> default/gold" >/dev/null

# Nobody reads: the pipe is full, and the agent has nothing to do.
ticks() { awk '{print $14 + $15}' "/proc/$(pid_of agent)/stat"; }
before=$(ticks)
sleep 2
used=$(ticks)
used=$((used - before))
[ $used -le 4 ] || die "an agent with a full pipe used $used ticks of the processor in 2 s"

# A reader, and two at once, and one that comes and goes.
timeout 10 head -c 100000 "$fifo" >one.pipe
timeout 10 head -c 50000 "$fifo" >two.pipe &
two=$!
timeout 10 head -c 50000 "$fifo" >three.pipe
wait $two
for i in $(seq 20); do timeout 10 head -c 100 "$fifo" >"short$i.pipe"; done
for file in one:100000 two:50000 three:50000 short1:100 short20:100; do
  [ "$(stat -c %s "${file%:*}.pipe")" = "${file#*:}" ] || die "$file got $(stat -c %s "${file%:*}.pipe") bytes"
done
are_whole ./*.pipe
delivered=$("$BIN/entropyctl" --control "$WORK/agent.sock" guests -o json |
  /usr/bin/python3 -c '
import json, sys
print([g["delivered"] for g in json.load(sys.stdin)["guests"] if g["name"].startswith("fifo:")][0])')
[ "$delivered" -ge 202000 ] || die "the pipe is said to have had $delivered bytes"

# A reader across handovers sees neither an end nor a byte twice.
spawn held /usr/bin/python3 "$HERE/feeds/pipe.py" hold "$fifo" "$WORK/held.pipe" "$WORK/held.stop"
eventually 10 holds held.pipe 4096
for how in upgrade reload upgrade; do
  rm -f agent.ports
  ctl agent $how >/dev/null
  adopt_pid
  grows held.pipe
done
touch held.stop
ends held 10
grep -q '^read on, 0 ends' held.log || die "$(cat held.log)"

# One that has the pipe open goes on reading after a crash, whoever was killed.
spawn waiting /usr/bin/python3 "$HERE/feeds/pipe.py" wait "$fifo" "$WORK/waiting.pipe" "$WORK/waiting.stop"
eventually 10 holds waiting.pipe 4096
murder agent
start_agent
grows waiting.pipe
touch waiting.stop
ends waiting 10
are_whole ./*.pipe

# The file outlives the agent; without its listener nothing holds it open.
restart_with sockets.yaml
[ -p "$fifo" ] || die "the pipe is gone, and whoever has it open"
/usr/bin/python3 - "$fifo" <<'PY'
import os, sys
left = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
assert os.read(left, 1) == b"", "somebody holds the pipe open"
PY
restart_with pipe.yaml

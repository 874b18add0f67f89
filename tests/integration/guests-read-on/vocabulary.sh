# What the steps of this suite say beyond lib.sh. Sourced.
#
# Two guests: `plain`, and `rated` with a max-bytes and period on its virtio-rng. Each reads
# /dev/hwrng without end and says for each read how long it waited, by its own clock.
GUESTS=(plain rated)

reads_of() { grep -c 'event=read ' "$1.console" || [ $? = 1 ]; }
has_read() { [ "$(reads_of "$1")" -ge "$2" ]; }  # GUEST COUNT
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# serving_pid: of the agent's process that answers, by EGD's command 0x04.
serving_pid() { egd "$WORK/egd.sock" pid; }
adopt_pid() { eventually 25 test -s agent.ports; serving_pid >agent.pid; }

# begin: from here on the guests' reads count. The event comes between `begin` and `resumed`.
begin() {
  local guest
  for guest in "${GUESTS[@]}"; do wc -l <"$guest.console" >"$guest.mark"; done
}
# resumed WHAT AWAY_MS: the event is over, and whoever serves was away for so long. Each guest must
# read again; its longest wait may outlast the absence by 1.5 s.
resumed() {
  local guest longest count mark
  for guest in "${GUESTS[@]}"; do
    count=$(reads_of "$guest")
    eventually 10 has_read "$guest" $((count + 3))
    mark=$(cat "$guest.mark")
    longest=$(tail -n "+$((mark + 1))" "$guest.console" |
      sed -n 's/.*event=read .*waited=\([0-9]*\)\.\([0-9]*\).*/\1\2/p' | sort -n | tail -n 1)
    [ -n "$longest" ] || die "$guest does not say how long its reads waited"
    longest=$((10#$longest))
    waited "$guest around $1" $longest $(($2 + 1500))
  done
}

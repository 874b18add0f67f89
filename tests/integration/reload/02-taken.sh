. "$HERE/handover/upgrades.sh"
first=$(serving_pid)
[ "$(stat -c %a egd.sock)" = 600 ]
cp agent.yaml old.yaml
defaults='defaults: {buffer: 128KiB, guest_ceil: 1MiB/s, on_upstream_loss: local}'
sed -i -e 's|egd.sock, mode: "0600"|egd.sock, mode: "0640"|; /leaving.sock/d' \
  -e 's|slow.sock, mode: "0600", class: default/slow|slow.sock, mode: "0600", class: default/gold|' \
  -e "s|^defaults: .*|$defaults\nmax_guests: 500\nlog: {format: json}|" \
  -e "s|^defaults: |  - {path: $WORK/coming.sock, mode: \"0600\", class: default/slow}\n&|" agent.yaml
rm -f agent.ports
spawn top "$BIN/entropyctl" --control "$WORK/agent.sock" top --interval 0.2 -o json
eventually 5 test -s top.log
mark >/dev/null
ctl agent reload | tee reload.log
grep -q "serves by $WORK/agent.yaml now" reload.log
for change in "listeners.$WORK/egd.sock..mode changed" "listeners.$WORK/leaving.sock. removed" \
  "listeners.$WORK/coming.sock. added" 'max_guests changed' 'defaults.buffer changed'; do
  grep -qx "$change" reload.log || die "the reload does not say: $change"
done
adopt_pid
differ "$(pid_of agent)" "$first" || die "nothing was reloaded"
eventually 5 test ! -d "/proc/$first"
# Whoever looks at the agent goes on looking at its successor.
lines_of_top() { wc -l <top.log; }
had=$(lines_of_top)
top_goes_on() { [ "$(lines_of_top)" -gt $((had + 3)) ]; }
eventually 15 top_goes_on
stop top
echo "longest wait of a guest around a reload: $(mark) ms"
egd coming.sock read 1000
egd slow.sock read 1000
[ ! -e leaving.sock ] || die "a listener that was removed is still there"
[ "$(stat -c %a egd.sock)" = 640 ]
eventually 10 metric_is agent '^entropyd_agent_buffer_size_bytes.class="default/gold"' = 131072
grep -q '"event":"handover.taken"' agent.log || die "the log is not JSON now"
eventually 10 metric_is agent '^entropyd_agent_class_mode.class="default/gold",mode="upstream"' = 1
"$BIN/entropyctl" --control "$WORK/agent.sock" status >status
grep -q "^listener $WORK/slow.sock -> default/gold," status || die "slow.sock has its old class: $(cat status)"
seed_is_kept() { [ "$(metric agent '^entropyd_agent_local_ready.class="default/gold"')" = 1 ]; }
eventually 10 seed_is_kept  # on_upstream_loss: local
# guest_ceil: 3 MiB at 1 MiB/s and its burst take 1.5 s or more, on however slow a machine.
began=$(date +%s%N)
egd slow.sock read 3145728
took=$((($(date +%s%N) - began) / 1000000))
[ $took -ge 1500 ] || die "3 MiB in $took ms through a ceiling of 1 MiB/s"

. "$HERE/handover/upgrades.sh"
first=$(serving_pid)
rm -f agent.ports
sed -i 's|128KiB|32KiB|; s|^log: .*||' agent.yaml
mark >/dev/null
kill -HUP "$first"
adopt_pid
differ "$(pid_of agent)" "$first" || die "nothing was reloaded"
eventually 5 test ! -d "/proc/$first"
echo "longest wait of a guest around SIGHUP: $(mark) ms"
eventually 10 metric_is agent '^entropyd_agent_buffer_size_bytes.class="default/gold"' = 32768
[ "$(metric agent '^entropyd_agent_config_reload_failed')" = 0 ]

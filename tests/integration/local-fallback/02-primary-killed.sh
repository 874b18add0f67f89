. "$HERE/local-fallback/vocabulary.sh"
primary=$(attached_name)
murder "$primary"
standby=$(other "$primary")
eventually 10 attached_to "$standby"
sleep 0.5
bar "gold when the primary is killed" gold 3000
bar "slow when the primary is killed" slow 4000
mode_is default/gold upstream
mode_is default/slow upstream
run_server "$primary"

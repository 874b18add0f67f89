. "$HERE/local-fallback/vocabulary.sh"
primary=$(attached_name)
longest slow >/dev/null
kill -STOP "$(pid_of "$primary")"
eventually 20 mode_is default/gold local
agent_says 'a["connected"]'  # as far as anybody can know
bar "gold when the server is silent" gold 7000
sleep 1
bar "gold in silence" gold 500
# Pings are not answered either, so the other one has its turn.
standby=$(other "$primary")
eventually 20 attached_to "$standby"
eventually 10 mode_is default/gold upstream
eventually 10 mode_is default/slow upstream
bar "gold when the other one speaks" gold 1000
bar "slow, which waited for that" slow 17000
kill -CONT "$(pid_of "$primary")"

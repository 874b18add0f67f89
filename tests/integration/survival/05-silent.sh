. "$HERE/survival/vocabulary.sh"
kill -STOP "$(pid_of one)" "$(pid_of two)"
eventually 20 mode_is default/gold local
agent_says 'a["connected"]'  # as far as anybody can know
bar "gold when servers are silent" gold 7000
sleep 1
bar "gold in silence" gold 500
kill -CONT "$(pid_of one)" "$(pid_of two)"
eventually 10 mode_is default/gold upstream
eventually 10 mode_is default/slow upstream
bar "gold when they speak again" gold 1000

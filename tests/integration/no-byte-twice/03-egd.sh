"$BIN/it_draw_blocks" egd egd.sock 64

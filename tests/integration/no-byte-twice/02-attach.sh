"$BIN/it_draw_blocks" attach "localhost:$(port_of proxy grpc)" \
  pki/agent.crt pki/agent.key pki/ca.crt default/gold 1024 ||
  die "see above"
[ "$(metric server entropyd_attach_lost)" -gt 0 ] || die "connections died, yet no unconfirmed byte was counted lost"

. "$HERE/strangers/vocabulary.sh"
for round in 1 2 3; do
  strangers silent 260 127.0.0.2 silent
  reader_is_served
  healthy
  egd egd.sock read 4096
  gone silent >/dev/null
  reader_is_served
  healthy
done
[ "$(metric server '^entropyd_connections_refused_total')" -gt 0 ] || die "no refusal was counted"
lines=$(grep -c 'event=connection.refused' server.log)
[ "$lines" -ge 1 ] || die "no refusal was told"
[ "$lines" -le 30 ] || die "$lines lines about refusals"

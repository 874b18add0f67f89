. "$HERE/strangers/vocabulary.sh"
address=4
for kind in garbage http hello close; do
  strangers $kind 500 127.0.0.$address $kind
  reader_is_served
  healthy
  gone $kind >/dev/null
  address=$((address + 1))
done
# All kinds at once, each from an address of its own.
for kind in silent garbage http hello; do
  strangers $kind 150 127.0.0.$address $kind
  address=$((address + 1))
done
reader_is_served
healthy
egd egd.sock read 4096
for kind in silent garbage http hello; do gone $kind >/dev/null; done
# Hundreds of handshakes failed: a line for each reason in ten seconds, and none of gRPC's own.
lacks server.log '^[EWI][0-9]{4} ' || die "gRPC wrote to stderr by itself"
lines=$(grep -c 'event=tls.refused' server.log)
[ "$lines" -ge 1 ] || die "no failed handshake was told"
[ "$lines" -le 30 ] || die "$lines lines about failed handshakes"

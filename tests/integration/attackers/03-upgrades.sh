. "$HERE/attackers/vocabulary.sh"
end=$((SECONDS + ATTACK_SECONDS))
while [ $SECONDS -lt $end ]; do
  again=$((SECONDS + 3))
  in_bounds
  upgrade
  # Whoever comes now is served, too.
  for socket in egd known guest/vm-0; do
    timeout 30 /usr/bin/python3 "$HERE/egd_client.py" $socket.sock read 255 >/dev/null
  done
  while [ $SECONDS -lt $again ]; do sleep 0.1; done
done
in_bounds

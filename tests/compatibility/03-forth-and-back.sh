# Guests go from version to version, and notice nothing.
server_of new
sed -i "s|^servers: .*|servers: [\"localhost:$(port_of server grpc)\"]|" agent.yaml
agent_of old
eventually 20 egd egd.sock read 4096
spawn watch "$BIN/it_egd_watch" "$WORK/egd.sock" 64 16 50
spawn watch-web2 "$BIN/it_egd_watch" "$WORK/web2.sock" 4 2 50
delivered_has_grown
for version in new old new; do
  hands_over_to "$version"
  echo "served by the $version version"
  delivered_has_grown
done
noticed_nothing watch
noticed_nothing watch-web2
grep -c 'event=handover.taken' agent.log | grep -x 3 >/dev/null || die "not every change was a handover"
stop agent
stop server

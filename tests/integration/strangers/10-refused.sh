. "$HERE/strangers/vocabulary.sh"
# cpu_of NAME: the processor time that it has used, in hundredths of a second.
cpu_of() { awk '{print $14 + $15}' "/proc/$(pid_of "$1")/stat"; }
# The list names `stolen` since the step before.
server_yaml | sed "s|ca\.crt}|ca.crt, crl: $WORK/pki/crl.pem}|" >server.yaml
: >server.log
start_server
port=$(port_of server grpc)
issue roleless --spiffe spiffe://test/roleless
for who in roleless stolen; do client_yaml "$port" $who >$who.client.yaml; done

# A newcomer is told what is wrong, and how to mend it.
AS=roleless expect_failure 1 'PERMISSION_DENIED: .*no policy rule gives spiffe://test/roleless a role' \
  ctl get --bytes 16 --class default/gold --hex
AS=roleless expect_failure 1 'policy of the server' ctl status
AS=stolen expect_failure 1 'UNAUTHENTICATED: .*spiffe://test/agent/stolen: .*revoked' \
  ctl get --bytes 16 --class default/gold --hex
eventually 5 grep -q 'event=tls.refused .*no policy rule gives its identity a role.* identity=spiffe://test/roleless' \
  server.log
eventually 5 grep -q 'event=tls.refused .*is revoked.* identity=spiffe://test/agent/stolen' server.log
agent_yaml "$port" | sed "s|pki/agent\.|pki/roleless.|g" >roleless.yaml
spawn roleless "$BIN/entropyd-hostagent" --config roleless.yaml
eventually 10 grep -q 'event=upstream.ended .*PERMISSION_DENIED: .*no policy rule gives spiffe://test/roleless a role' \
  roleless.log
grep -q 'event=upstream.ended .*remedy="add a rule to `policy` of the server' roleless.log ||
  die "the agent does not say how to mend it"
lacks roleless.log 'event=grpc.error' || die "the agent's log has gRPC's own words, too"
stop roleless

# Headers without end cost the server nothing, because it reads none of them.
before=$(cpu_of server)
for who in roleless stolen; do
  for round in 1 2 3; do
    said=$(/usr/bin/python3 "$HERE/strangers/endless_headers.py" 127.0.0.1 "$port" pki/ca.crt pki/$who.crt \
      pki/$who.key 12)
    grep -q '^heard 0 ' <<<"$said" || die "the server has read what $who says: $said"
  done
done
after=$(cpu_of server)
used=$((after - before))
[ $used -le 100 ] || die "six handshakes cost $used hundredths of a second"
[ "$(metric server '^entropyd_denials_total.*reason="role"')" -ge 5 ] || die "who has no role is not counted"
[ "$(metric server '^entropyd_denials_total.*reason="revoked"')" -ge 4 ] || die "who is revoked is not counted"

# Who gets a role comes in without a restart.
sed "s|^policy:|&\n  - {identity: \"spiffe://test/roleless\", role: reader, allow: [\"default/*\"]}|" server.yaml \
  >server.new
mv server.new server.yaml
is_served() { AS=roleless ctl get --bytes 16 --class default/gold --hex; }
eventually 10 is_served

# Nobody but the server itself can make a probe: it listens for peers and for HTTP, and nowhere else.
sockets=$(find "/proc/$(pid_of server)/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' | sort)
listens() { awk '$4 == "0A" {print $10}' /proc/net/tcp /proc/net/tcp6 | sort; }
ports=$(comm -12 <(echo "$sockets") <(listens) | wc -l)
[ "$ports" = 2 ] || die "the server listens on $ports ports"
healthy

# Somebody wipes the directory of the sockets: the agent makes all of them anew, and successors still find it.
agent_yaml "$(port_of server grpc)" |
  sed -e "s|$WORK/\(.*\)\.sock|$WORK/run/\1.sock|; s|/state$|/state-wiped|" >wiped.yaml
spawn wiped "$BIN/entropyd-hostagent" --config "$WORK/wiped.yaml" --ports-file "$WORK/wiped.ports"
eventually 10 test -s wiped.ports
eventually 30 grep -q upstream.attached wiped.log
egd run/egd.sock read 1000
rm -rf run
for socket in egd.sock slow.sock agent.sock agent.sock.handover; do
  eventually 10 test -S "run/$socket"
  grep -q "event=listener.lost path=[^ ]*/run/$socket " wiped.log || die "the log does not say that $socket was lost"
done
[ "$(stat -c %a run/agent.sock)" = 600 ] || die "others may use the control socket"
egd run/egd.sock read 1000
[ "$(metric wiped entropyd_agent_lost_sockets_total)" = 4 ] || die "they were not counted"
"$BIN/entropyctl" --control "$WORK/run/agent.sock" agent reload
eventually 20 grep -q 'event=handover.taken' wiped.log
sed -n 's/.*event=handover.taken .* pid=\([0-9]*\).*/\1/p' wiped.log >wiped.pid
eventually 10 is_ready wiped
egd run/egd.sock read 1000

# What stands in the way is not removed; the agent says what it is, and is not ready.
rm run/egd.sock
mkdir run/egd.sock
lost() { "$BIN/entropyctl" --control "$WORK/run/agent.sock" status; }
eventually 10 grep -q 'event=listener.lost .*something else than a socket' wiped.log
expect_failure 3 'run/egd.sock.*something else than a socket' lost
[ "$(curl -s -o wiped.ready -w '%{http_code}' "http://127.0.0.1:$(port_of wiped http)/readyz")" = 503 ] ||
  die "it counts as ready"
rmdir run/egd.sock
eventually 10 test -S run/egd.sock
egd run/egd.sock read 1000

# Another process listens in the place of one of them. The next agent leaves that one's file alone, too.
usurp() {  # SOCKET
  spawn foreign /usr/bin/python3 -c '
import os, signal, socket, sys
s = socket.socket(socket.AF_UNIX)
os.unlink(sys.argv[1])
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o611)
s.listen()
signal.pause()' "$WORK/run/$1"
  eventually 10 grep -q "event=listener.lost path=[^ ]*/$1 reason=\"[^\"]*another process listens there" wiped.log
}
# taken TIMES: so often has the next agent taken over by now; it is `wiped` from here on.
taken() {
  [ "$(grep -c 'event=handover.taken' wiped.log)" = "$1" ] &&
    sed -n 's/.*event=handover.taken .* pid=\([0-9]*\).*/\1/p' wiped.log | tail -n 1 >wiped.pid
}
usurp slow.sock
"$BIN/entropyctl" --control "$WORK/run/agent.sock" agent reload
eventually 20 taken 2
refuses_slow() { (expect_failure 3 'run/slow.sock.*another process listens there' lost); }
eventually 10 refuses_slow
[ "$(stat -c %a run/slow.sock)" = 611 ] || die "the other's file got the mode of this listener"
stop foreign 5 143
eventually 10 egd run/slow.sock bits
eventually 10 is_ready wiped

# The same with the control socket.
usurp agent.sock
kill -HUP "$(pid_of wiped)"
eventually 20 taken 3
eventually 20 grep -q 'event=agent.doors_closed .*another process listens there' wiped.log
[ "$(stat -c %a run/agent.sock)" = 611 ] || die "the other's file got the mode of the control socket"
egd run/egd.sock read 1000
stop foreign 5 143
answers() { "$BIN/entropyctl" --control "$WORK/run/agent.sock" status; }
eventually 10 answers
eventually 10 is_ready wiped

# Where guests may write, one could put a socket of its own in the place of ours.
chmod 777 run
expect_failure 2 'run may be written by others.*chmod go-w' \
  "$BIN/entropyd-hostagent" --config wiped.yaml --check-config
expect_failure 2 'chmod go-w' "$BIN/entropyctl" --control "$WORK/run/agent.sock" agent reload
stop wiped

# An agent that starts meanwhile serves by the other listeners, and by this one when it is safe.
mkdir open
chmod 777 open
sed -i "s|$WORK/run/slow.sock|$WORK/open/slow.sock|" wiped.yaml
chmod 755 run
spawn late "$BIN/entropyd-hostagent" --config "$WORK/wiped.yaml" --ports-file "$WORK/late.ports"
eventually 10 test -s late.ports
eventually 30 grep -q upstream.attached late.log
egd run/egd.sock read 1000
expect_failure 3 'open/slow.sock.*open may be written by others' lost
[ "$(curl -s -o late.ready -w '%{http_code}' "http://127.0.0.1:$(port_of late http)/readyz")" = 503 ] ||
  die "it counts as ready"
chmod 755 open
eventually 10 test -S open/slow.sock
eventually 10 is_ready late
[ "$(grep -c event=listener.waiting late.log)" = 1 ] || die "the log does not say it once"
stop late

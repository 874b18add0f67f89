. "$HERE/attackers/vocabulary.sh"
guests due "$WORK/egd.sock" 8x1 1 64 50
guests hungry "$WORK/egd.sock" 8x1 64 255 0
# 1,008 connections of 63 guests.
guests greedy.plain "$WORK/egd.sock" 32x16 4 255 0
guests greedy.known "$WORK/known.sock" 31x16 4 255 0
for at in plain primed known; do
  socket=$WORK/$at.sock
  [ $at != plain ] || socket=$WORK/egd.sock
  attack at.$at 1 "connects=$socket:3" "halves=$socket:2" "seeds=$socket:1" "bits=$socket:1" "never=$socket:2" \
    "mixed=$socket:1" "bytes=$socket:2" "closes=$socket:2" "half-closes=$socket:2" "garbage=$socket:1"
done
# One attacker is a domain, and its connections belong to that from now on.
(. "$HERE/identity/guests.sh"; domain attacker "$(pid_of at.known)" gold)
# More than a guest may have.
attack at.crowd 1 "connects=$WORK/known.sock:16" "halves=$WORK/primed.sock:64" "never=$WORK/egd.sock:64"
# As many pending commands as an agent bears, on each connection.
attack at.many 63 "pending=$WORK/egd.sock:16"
tell begin $CROWDS

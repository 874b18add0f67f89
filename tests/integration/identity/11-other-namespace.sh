# An agent in a pid namespace of its own, as in a pod without hostPID: peers are outside, and cannot be seen.
. "$HERE/identity/guests.sh"
cp "$WORK/agent.yaml" "$WORK/pod.yaml"
sed -i "s|\.sock|-pod.sock|; s|/state$|/state-pod|; s|identify: libvirt|identify: cgroup|" "$WORK/pod.yaml"
# group: a number, which has no name here.
sed -i "s|slow-pod.sock, mode: \"0600\",|& group: \"4711\",|" "$WORK/pod.yaml"
spawn pod unshare --pid --fork --kill-child=TERM --mount-proc "$BIN/entropyd-hostagent" --config "$WORK/pod.yaml"
eventually 10 egd "$WORK/egd-pod.sock" read 16
[ "$(stat -c %g "$WORK/slow-pod.sock")" = 4711 ] || die "the socket does not have the group's number"
in_pod() { "$BIN/entropyctl" --control "$WORK/agent-pod.sock" "$@"; }
# A group that only the host has a name for, and the socket of a guest, whose name needs no process.
in_pod guests add vm-pod --group 4712 >/dev/null
[ "$(stat -c %g "$WORK/guest/vm-pod.sock")" = 4712 ] || die "the guest's socket does not have the group's number"
guest seen "$WORK/egd-pod.sock" -
draws seen 64
guest named "$WORK/guest/vm-pod.sock" -
draws named 64
in_pod guests >table.txt
grep -Eq ' user 0 +- +- ' table.txt || die "a peer in another namespace is not known by its user: $(cat table.txt)"
grep -Eq ' vm-pod +- +- ' table.txt || die "a guest with a socket of its own has no name: $(cat table.txt)"
lacks table.txt ' 0 +default' || die "a pid that nobody has is shown"
# Once for each listener, however many peers.
draws seen 64
[ "$(grep -c guest.unseen pod.log)" = 1 ] || die "the log should say once that peers cannot be seen"
grep -q 'guest.unseen.*egd-pod.sock.*hostPID' pod.log
leave seen
leave named
# unshare takes no SIGTERM while it waits.
kill -TERM "$(pgrep --parent "$(pid_of pod)")"
ends pod 5

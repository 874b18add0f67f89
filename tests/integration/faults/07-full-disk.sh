# A state directory where nothing can be made, and one on a disk that is full: said, with the path.
touch not-a-directory
elsewhere() {
  sed -e "s|$WORK/state|$1|; s|$WORK/agent.sock|$WORK/a2.sock|" \
    -e "s|$WORK/egd.sock|$WORK/e2.sock|; s|$WORK/slow.sock|$WORK/s2.sock|" agent.yaml
}
elsewhere "$WORK/not-a-directory/state" >nostate.yaml
expect_failure 2 'nostate.yaml:5:12: state_dir: .*not-a-directory' \
  timeout 20 "$BIN/entropyd-hostagent" --config nostate.yaml

# A disk of one page in a mount namespace of our own, filled to the last byte.
mkdir disk
elsewhere "$WORK/disk/state" >full.yaml
[ "$(id -u)" = 0 ] && own=(unshare -m) || own=(unshare -rm)
full_disk() {
  "${own[@]}" bash -c 'mount -t tmpfs -o size=8k none disk && mkdir disk/state || exit 99
    head -c 65536 /dev/zero >disk/filler 2>/dev/null; exec "$@"' _ "$@"
}
expect_failure 1 'disk/state.*[Nn]o space|[Nn]o space.*disk/state' \
  full_disk timeout 20 "$BIN/entropyd-hostagent" --config full.yaml

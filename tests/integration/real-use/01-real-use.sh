# block N: the Nth block of commands between "For real use" and the QEMU guest.
block() {
  awk -v n="$1" '/^For real use/ {on = 1} /^A QEMU guest/ {on = 0}
                 on && /^```sh/ {k++; take = 1; next} /^```/ {take = 0}
                 on && take && k == n' "$ROOT/README.md"
}
# run_on MACHINE N [sed-script for the samples]: the block as that machine's root would run it.
run_on() {
  local etc=$WORK/$1/etc script
  block "$2" |
    sed -E -e "/^(cmake|systemctl) /d; s|/usr/|$WORK/usr/|g; s|/etc/entropyd|$etc|g" \
      -e 's|entropyd\.example|localhost|g' >"$1.sh"
  [ -s "$1.sh" ] || die "README.md has no block $2 under 'For real use'"
  PATH=$BIN:$PATH ENTROPYD_CONFIG=$etc/client.yaml bash -euxo pipefail "$1.sh"
}
# The samples, for machines that are directories.
sample() {  # PACKAGE FILE sed-script
  mkdir -p "usr/share/doc/$1/examples"
  sed -E "s|/etc/entropyd|$WORK/$4/etc|g; s|entropyd\.example|localhost|g; $3" \
    "$ROOT/deploy/config/$2" >"usr/share/doc/$1/examples/$2"
}
block 1 | grep -x 'cmake --install build/release --prefix /usr .*' >/dev/null || die "block 1 does not install"
run_on anywhere 2

sample entropyd server.yaml "s|^listen: .*|listen: 127.0.0.1:0|
  s|^metrics: .*|metrics: 127.0.0.1:0\nallow_software: true|
  s|^state_dir: .*|state_dir: $WORK/server-state|
  s|name: trng0, .*|name: trng0, driver: getrandom}|; /name: cpu, driver/d
  s|sources: .trng0, cpu.|sources: [trng0]|" server
run_on server 3
spawn server "$BIN/entropyd" --config "$WORK/server/etc/server.yaml" --ports-file "$WORK/server.ports"
eventually 20 test -s server.ports
eventually 20 is_ready server
port=$(port_of server grpc)

sample entropyd-hostagent agent.yaml "s|^servers: .*|servers: [\"localhost:$port\"]|; s|/run/entropyd|$WORK|
  s|^metrics: .*|metrics: 127.0.0.1:0\ncontrol: $WORK/agent.sock\nstate_dir: $WORK/state|" hypervisor
run_on hypervisor 4
spawn agent "$BIN/entropyd-hostagent" --config "$WORK/hypervisor/etc/agent.yaml" --ports-file "$WORK/agent.ports"
eventually 20 test -s agent.ports
eventually 20 is_ready agent
egd egd.sock read 1000

sample entropyctl client.yaml "s|^server: .*|server: localhost:$port\ncontrol: $WORK/agent.sock|" desk
run_on desk 5 >desk.txt
cat desk.txt
grep -Eqx '[0-9a-f]{64}' desk.txt || die "no 32 bytes"
# With one certificate the other command is refused, and the error names the role that it lacks.
ENTROPYD_CONFIG=$WORK/desk/etc/client.yaml expect_failure 1 'the role reader' "$BIN/entropyctl" get --bytes 32 --hex

#!/usr/bin/env bash
# Adds a driver as server/driver/source_driver.h says that one is added, and serves from it. See README.md.
set -euo pipefail
DRIVER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$DRIVER/../.." && pwd)
HERE=$ROOT/tests/integration
BUILD=$ROOT/build/release
BIN=$BUILD/bin
WORK=$(mktemp -d /tmp/entropyd-driver.XXXXXX)
export ROOT HERE BIN WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT

# One file pair, one line in the list.
mkdir -p "$WORK/server/driver" "$WORK/bin"
cp "$DRIVER"/counter_driver.{h,cc} "$WORK/server/driver/"
sed -e 's|^#include "server/driver/char_device_driver.h"|&\n#include "server/driver/counter_driver.h"|' \
  -e 's|^  static constexpr DriverEntry kBuiltIns\[\] = {|&\
      {"counter", "path", CounterDriver::Check, CounterDriver::Identify, CounterDriver::Create},|' \
  "$ROOT/server/driver/registry.cc" >"$WORK/server/driver/registry.cc"
[ "$(diff "$ROOT/server/driver/registry.cc" "$WORK/server/driver/registry.cc" | grep -c '^>')" = 2 ] ||
  die "registry.cc has no list that a line could be added to"

# Compiled as its neighbours are, and linked as entropyd is, the new objects before the library.
/usr/bin/python3 - "$BUILD" "$WORK" >"$WORK/compile.sh" <<'PY'
import json, shlex, sys
build, work = sys.argv[1:]
for entry in json.load(open(f"{build}/compile_commands.json")):
    if entry["file"].endswith("/server/driver/registry.cc"):
        for name in ("registry", "counter_driver"):
            words = shlex.split(entry["command"])
            words[words.index("-o") + 1] = f"{work}/{name}.o"
            words[-1] = f"{work}/server/driver/{name}.cc"
            # Before all other folders of headers; in front of them are the compiler and perhaps a compiler cache.
            first = next(i for i, word in enumerate(words) if word.startswith(("-D", "-I", "-isystem")))
            print(f"cd {build} &&", shlex.join(words[:first] + [f"-I{work}"] + words[first:]))
PY
[ "$(wc -l <"$WORK/compile.sh")" = 2 ] || die "the release build does not say how registry.cc is compiled"
bash -e "$WORK/compile.sh"
link=$(ninja -C "$BUILD" -t commands entropyd | grep -- ' -o bin/entropyd ')
(cd "$BUILD" && bash -ec "${link/ -o bin\/entropyd / $WORK/registry.o $WORK/counter_driver.o -o $WORK/bin/entropyd }")

make_pki >/dev/null
config() {  # DRIVER PATH
  cat <<YAML
listen: 127.0.0.1:0
metrics: ""
tls: {cert: $WORK/pki/server.crt, key: $WORK/pki/server.key, client_ca: $WORK/pki/ca.crt}
allow_software: true
sources:
  - {name: new, driver: $1, path: $2}
pools:
  - name: default
    sources: [new]
    classes: [{name: root, rate: 1MiB/s}]
policy:
  - {identity: spiffe://test/reader/r1, role: reader, allow: ["default/*"]}
YAML
}
config counter up >"$WORK/good.yaml"
config counter down >"$WORK/key.yaml"
config conuter up >"$WORK/name.yaml"
"$WORK/bin/entropyd" --config "$WORK/good.yaml" --check-config
expect_failure 2 'counts up only; write path: up' "$WORK/bin/entropyd" --config "$WORK/key.yaml" --check-config
expect_failure 2 "'conuter' is no driver; there are counter, char_device" \
  "$WORK/bin/entropyd" --config "$WORK/name.yaml" --check-config
expect_failure 2 "'counter' is no driver" "$BIN/entropyd" --config "$WORK/good.yaml" --check-config

spawn server "$WORK/bin/entropyd" --config "$WORK/good.yaml" --ports-file "$WORK/server.ports"
eventually 10 test -s "$WORK/server.ports"
client_yaml "$(port_of server grpc)" reader >"$WORK/reader.client.yaml"
draws() { AS=reader ctl get --class default/root --bytes 1000 --raw >"$WORK/bytes"; }
eventually 10 draws
[ "$(stat -c %s "$WORK/bytes")" = 1000 ] || die "$(stat -c %s "$WORK/bytes") bytes from the new driver"
grep -q 'event=source.healthy source=new device="a counter"' "$WORK/server.log" || die "the new source is not healthy"
stop server
echo "new driver: OK, 1000 bytes served"

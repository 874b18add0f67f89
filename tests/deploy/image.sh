#!/usr/bin/env bash
# The Dockerfile: what it copies exists, what it builds are our targets, and its runtime stage installs every
# library that the programs are linked with.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BIN=${BIN:-$ROOT/build/release/bin}
/usr/bin/python3 "$HERE/image_test.py" "$ROOT" "$BIN"

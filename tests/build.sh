#!/usr/bin/env bash
# build.sh PRESET [TARGET…]: configures and builds a preset; the builds of tests/run.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
shift
cmake --preset "$preset"
exec cmake --build --preset "$preset" -j "$(nproc)" ${1:+--target "$@"}

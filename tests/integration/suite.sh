#!/usr/bin/env bash
# Runs one integration suite: its numbered steps in order, then teardown, whatever happened.
#
#   tests/integration/suite.sh NAME [--keep]
#
# BIN (default build/release/bin) holds the programs. Each step is a bash script that has lib.sh's
# vocabulary and a working directory of the suite's own; the first that fails ends the suite, and so does one that
# takes longer than STEP_SECONDS (default 900: what takes so long hangs).
# --keep leaves that directory for a look.
set -uo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?usage: suite.sh NAME [--keep]}
suite=$HERE/$name
[ -d "$suite" ] || { echo "suite.sh: no suite '$name' in tests/integration" >&2; exit 2; }

ROOT=$(cd "$HERE/../.." && pwd)
BIN=${BIN:-$ROOT/build/release/bin}
STEP_SECONDS=${STEP_SECONDS:-900}
WORK=$(mktemp -d /tmp/entropyd-it.XXXXXX)
export ROOT BIN WORK HERE
. "$HERE/lib.sh"
leave() {
  local status=$?
  [ ! -f "$suite/teardown.sh" ] ||
    (cd "$WORK" && bash -euo pipefail -c '. "$HERE/lib.sh"; . "$1"' _ "$suite/teardown.sh") || status=1
  finish $status "${2:-}"
}
trap 'leave "$@"' EXIT
trap 'exit 130' INT TERM

steps=("$suite"/[0-9][0-9]-*.sh)
[ -f "${steps[0]}" ] || { echo "suite.sh: $name has no steps" >&2; exit 2; }
for step in "${steps[@]}"; do
  echo "-- $name: $(basename "$step" .sh)"
  (cd "$WORK" && timeout --foreground --kill-after=10 "$STEP_SECONDS" bash -euo pipefail -c '
    trap '\''echo "FAILED: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND" >&2'\'' ERR
    set -E
    . "$HERE/lib.sh"
    . "$1"' _ "$step") || {
    [ $? != 124 ] || echo "FAILED: ${step##*/} did not end within $STEP_SECONDS s" >&2
    exit 1
  }
done
echo "$name: ${#steps[@]} steps passed"

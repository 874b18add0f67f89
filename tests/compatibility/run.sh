#!/usr/bin/env bash
# Has this version and those before it work together: state files, wire, handover both ways.
#
#   tests/compatibility/run.sh [--keep]
#
# BIN      this version's programs and it_egd_watch (default build/release/bin)
# OLD_BIN  entropyd and entropyd-hostagent of one version before this; without it they are built from each
#          commit that PREVIOUS names, into build/previous
# Exit 0 when every step passed.
set -uo pipefail
suite=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$suite/../.." && pwd)
BIN=${BIN:-$ROOT/build/release/bin}
HERE=$ROOT/tests/integration
export ROOT BIN HERE

fail() { echo "compatibility: FAILED: $*" >&2; exit 1; }

# build_previous COMMIT: sets OLD_BIN, from git history.
build_previous() {
  local commit=$1 folder=$ROOT/build/previous/$1 source
  git -C "$ROOT" cat-file -e "$commit^{commit}" 2>/dev/null ||
    fail "the previous version is commit $commit, and git has no such commit in $ROOT." \
      "Run this in a clone with its history (git fetch --unshallow), or set OLD_BIN to a folder with its programs."
  source=$folder/source
  if [ ! -f "$folder/unpacked" ]; then
    rm -rf "$folder"
    mkdir -p "$source"
    git -C "$ROOT" archive "$commit" | tar -x -C "$source" || fail "git archive $commit"
    touch "$folder/unpacked"
  fi
  (cd "$source" &&
    cmake --preset release -DENTROPYD_TESTS=OFF -DENTROPYD_BENCH=OFF -DENTROPYD_WERROR=OFF >configure.log 2>&1 &&
    cmake --build --preset release --target entropyd entropyd-hostagent) ||
    fail "commit $commit does not build; see above, and $source/configure.log"
  OLD_BIN=$source/build/release/bin
}

if [ -z "${OLD_BIN:-}" ]; then
  while read -r commit what; do
    echo "== compatibility with $what"
    build_previous "$commit"
    OLD_BIN=$OLD_BIN "${BASH_SOURCE[0]}" "$@" </dev/null || fail "this version and $what"
  done <"$suite/PREVIOUS"
  exit 0
fi
for program in "$OLD_BIN/entropyd" "$OLD_BIN/entropyd-hostagent" "$BIN/entropyd" "$BIN/entropyd-hostagent" \
  "$BIN/entropyctl" "$BIN/it_egd_watch"; do
  [ -x "$program" ] || fail "$program is not there; build it first"
done
export OLD_BIN

WORK=$(mktemp -d /tmp/entropyd-compat.XXXXXX)
export WORK
. "$HERE/lib.sh"
trap 'finish $? "${1:-}"' EXIT
trap 'exit 130' INT TERM

steps=("$suite"/[0-9][0-9]-*.sh)
for step in "${steps[@]}"; do
  echo "-- compatibility: $(basename "$step" .sh)"
  (cd "$WORK" && bash -euo pipefail -c '
    trap '\''echo "FAILED: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND" >&2'\'' ERR; set -E
    . "$HERE/lib.sh"; . "$1/versions.sh"; . "$2"' _ "$suite" "$step") || exit 1
done
echo "compatibility: ${#steps[@]} steps passed"

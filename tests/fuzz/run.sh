#!/usr/bin/env bash
# Runs the libFuzzer targets of a clang build: each corpus once, then SECONDS_EACH of search.
#
#   tests/fuzz/run.sh BUILD_FOLDER [SECONDS_EACH=10]
#
# A finding is written to BUILD_FOLDER/fuzz-findings and its file is named; exit 1.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:?usage: run.sh BUILD_FOLDER [SECONDS_EACH]}
seconds=${2:-10}
found=0
# search NAME CORPUS: what it says goes to a file, as two run at a time.
search() {
  local scratch status=0
  scratch=$(mktemp -d)
  "$build/bin/fuzz_$1" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 -timeout=10 \
    -artifact_prefix="$build/fuzz-findings/$1-" "$scratch" "$2" >"$build/fuzz-findings/$1.log" 2>&1 || status=$?
  rm -rf "$scratch"
  cat "$build/fuzz-findings/$1.log"
  return $status
}
mkdir -p "$build/fuzz-findings"
pids=()
for corpus in "$HERE"/corpus/*/; do
  name=$(basename "$corpus")
  [ -x "$build/bin/fuzz_$name" ] ||
    { echo "run.sh: $build/bin/fuzz_$name is missing: not every corpus has its target" >&2; exit 1; }
  search "$name" "$corpus" &
  pids+=($!)
  found=$((found + 1))
  [ $((found % 2)) = 1 ] || { wait "${pids[-2]}"; wait "${pids[-1]}"; }
done
[ $((found % 2)) = 0 ] || wait "${pids[-1]}"
[ $found -ge 3 ] || { echo "run.sh: only $found corpora" >&2; exit 1; }
echo "fuzz: $found targets ran for $seconds s each"

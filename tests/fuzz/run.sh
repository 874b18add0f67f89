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
for corpus in "$HERE"/corpus/*/; do
  name=$(basename "$corpus")
  target=$build/bin/fuzz_$name
  [ -x "$target" ] || { echo "run.sh: $target is missing: not every corpus has its target" >&2; exit 1; }
  scratch=$(mktemp -d)
  mkdir -p "$build/fuzz-findings"
  "$target" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 -timeout=10 \
    -artifact_prefix="$build/fuzz-findings/$name-" "$scratch" "$corpus"
  rm -rf "$scratch"
  found=$((found + 1))
done
[ $found -ge 3 ] || { echo "run.sh: only $found corpora" >&2; exit 1; }
echo "fuzz: $found targets ran for $seconds s each"

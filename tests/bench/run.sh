#!/usr/bin/env bash
# The benchmarks: each figure beside a reference measured in the same run.
#
#   tests/bench/run.sh [--smoke | --check] [--seconds S] [-o json] [WHAT …]
#
#   --smoke      one short round of each: does it run and print its figures? (what CI does)
#   --check      fail when a ratio misses its bar (a quiet machine is needed)
#   --seconds S  length of one measurement (default 2)
#   -o json      one line per figure: {"bench", "case", "ours", "reference", "ratio", "unit"}
#   WHAT         egd, attach, guest, footprint, classes, health, conditioning, drbg, fairness, handover,
#                waits
#
# Wants the release preset built.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"

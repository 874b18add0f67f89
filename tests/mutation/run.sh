#!/usr/bin/env bash
# Breaks the class tree and the way of entropy on purpose, one line at a time, and sees unit tests fail.
#
#   tests/mutation/run.sh [--list] [WORD…]
#
#   --list   the mutants, without building any
#   WORD…    only mutants whose description has one of these words: an area, a file, what is broken
#
# Works on a copy of the tree. Exit 0 when every mutant was killed, 1 when one lived or made the tests hang without
# leave, 2 when one no longer applies or the copy does not pass unbroken.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/mutation.py" "$@"

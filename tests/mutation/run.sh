#!/usr/bin/env bash
# Breaks the class tree and the way of entropy on purpose, one line at a time, and sees unit tests fail.
#
#   tests/mutation/run.sh [--list] [--sample N [--seed SEED]] [-j JOBS] [WORD…]
#
#   --list     the mutants, without building any
#   --sample   only N of them, chosen by SEED (default: the commit), so that each commit tries others
#   -j         mutants that are tried side by side (default: one for each processor)
#   WORD…      only mutants whose description has one of these words: an area, a file, what is broken
#
# The tree stays as it is. Exit 0 when every mutant was killed, 1 when one lived or made the tests hang without leave, 2
# when one no longer applies or does not compile, or when what is not broken does not pass.
set -euo pipefail
exec /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/mutation.py" "$@"

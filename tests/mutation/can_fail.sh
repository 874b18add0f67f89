#!/usr/bin/env bash
# A mutant whose lines are gone must be named: `run.sh --list` of a copy with one.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
COPY=$(mktemp -d)
trap 'rm -rf "$COPY"' EXIT
mkdir "$COPY/tests"
cp -r "$ROOT"/{base,client,server,hostagent} "$COPY"
cp -r "$ROOT/tests/mutation" "$COPY/tests"
"$COPY/tests/mutation/run.sh" --list >/dev/null
printf '\n@ base/process/fd.cc: injected\n-a line that is not there\n+\n' >>"$COPY/tests/mutation/class_tree.txt"
said=$("$COPY/tests/mutation/run.sh" --list 2>&1 >/dev/null) && { echo "FAILED: it passed" >&2; exit 1; }
grep -q "'injected' no longer applies to base/process/fd.cc" <<<"$said"
echo "mutation: the injected mutant found"

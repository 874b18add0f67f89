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
if said=$("$COPY/tests/mutation/run.sh" --list 2>&1 >/dev/null); then echo "FAILED: it passed" >&2; exit 1; fi
grep -q "'injected' no longer applies to base/process/fd.cc" <<<"$said"
# A hang kills only a mutant that may hang, and a failure kills any.
printf '! may hang\n' >>"$COPY/tests/mutation/class_tree.txt"
PYTHONPATH=$COPY/tests/mutation PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '
import mutation
injected, other = (next(m for m in mutation.read_mutants() if (m.what == "injected") == yes) for yes in (True, False))
assert injected.may_hang and not other.may_hang
wanted = {(injected, None): False, (injected, "T"): True, (injected, mutation.HANGS): True,
          (other, None): False, (other, "T"): True, (other, mutation.HANGS): False}
for (mutant, killer), killed in wanted.items():
    assert mutation.judge(mutant, killer)[1] == killed, (str(mutant), killer)'
echo "mutation: the injected mutant found"

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
# A hang kills only a mutant that may hang, and a failure kills any. A sample is the same for the same commit only.
printf '! may hang\n' >>"$COPY/tests/mutation/class_tree.txt"
PYTHONPATH=$COPY/tests/mutation PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c '
import mutation
from mutants import read_mutants, sample
mutants = read_mutants()
injected, other = (next(m for m in mutants if (m.what == "injected") == yes) for yes in (True, False))
assert injected.may_hang and not other.may_hang
wanted = {(injected, None): "alive", (injected, "T"): "killed", (injected, mutation.HANGS): "killed",
          (other, None): "alive", (other, "T"): "killed", (other, mutation.HANGS): "hangs"}
for (mutant, killer), outcome in wanted.items():
    assert mutation.judge(mutant, killer)[0] == outcome, (str(mutant), killer)
names = [[str(m) for m in sample(mutants, 20, seed)] for seed in ("a", "a", "b")]
assert names[0] == names[1] != names[2] and len(set(names[0])) == 20, names'
echo "mutation: the injected mutant found"

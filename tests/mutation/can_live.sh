#!/usr/bin/env bash
# A mutant that changes nothing must live, one that breaks a rule must not, be it in a .cc file or in a header, and one
# that does not compile is neither. Needs the build that mutants are linked with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -c '
import mutation
from broken_build import Build
from mutants import Mutant

SOURCE, HEADER = "base/config/units.cc", "base/class_tree/token_bucket.h"
FILTER = {SOURCE: "ParseSizeTest.*", HEADER: "TokenBucketTest.*"}
LINE = {SOURCE: "  if (value > kLargest) return too_large;",
        HEADER: "    changed.tokens_ = std::min(tokens_, changed.capacity_);"}
build = Build(mutation.ROOT, mutation.BUILD)


def outcome(path, new):
    mutant = Mutant("injected", ("base_test", FILTER[path]), path, "injected")
    mutant.old, mutant.new = [LINE[path]], [new]
    assert mutant.applied(mutation.ROOT) is not None, f"{path} has not exactly one line {LINE[path]!r}"
    return mutation.tried(mutant, build)


for path in (SOURCE, HEADER):
    for wanted, new in (("alive", LINE[path] + "  // as before"), ("unbuilt", "  no such word;")):
        found = outcome(path, new)
        assert found[0] == wanted, (path, wanted, found)
for path, new in ((SOURCE, "  if (value < 0) return too_large;"), (HEADER, "    changed.tokens_ = 0;")):
    found = outcome(path, new)
    assert found[0] == "killed", (path, found)
print("mutation: what changes nothing lives, what breaks a rule does not")'

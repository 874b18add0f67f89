#!/usr/bin/env python3
"""no_block_twice.py FILE…: exit 1 when any aligned 16-byte block occurs twice, in one file or in two.

Also proves itself: a copied block in prepared data must be found."""
import os
import sys


def repeated(contents):
    seen = {}
    for name, data in contents:
        for at in range(0, len(data) - 15, 16):
            block = data[at:at + 16]
            if block in seen:
                return f"{name} at {at}: the block of {seen[block]} again"
            seen[block] = f"{name} at {at}"
    return None


prepared = os.urandom(4096)
assert repeated([("a", prepared), ("b", os.urandom(64) + prepared[160:176])]), "the check is blind"
found = repeated([(name, open(name, "rb").read()) for name in sys.argv[1:]])
if found:
    sys.exit(found)
print(f"no block twice in {len(sys.argv) - 1} files")

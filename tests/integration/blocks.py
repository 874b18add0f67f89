#!/usr/bin/env python3
"""The check for blocks that come twice.

  blocks.py FILE…             exit 1 when an aligned 16-byte block is twice in the files
  blocks.py --anywhere FILE…  exit 1 when 16 bytes are, wherever they lie, as in what several readers had of a pipe

Also proves itself: a copied block in prepared data must be found, and nothing in other data.
"""
import os
import sys

SIZE = 16


def repeated(contents, anywhere=False):
    """None, or where a block comes for the second time. `contents`: (name, bytes) of each."""
    seen = set()
    for name, data in contents:
        for at in range(0, len(data) - SIZE + 1, 1 if anywhere else SIZE):
            block = data[at:at + SIZE]
            if block in seen:
                return f"{name} at {at}: a block that has come before"
            seen.add(block)
    return None


def prove(anywhere):
    prepared = os.urandom(4096)
    copies = [os.urandom(64) + prepared[160:160 + SIZE]]
    if anywhere:
        copies.append(b"x" + prepared[501:501 + SIZE])
    if not all(repeated([("a", prepared), ("b", copy)], anywhere) for copy in copies):
        sys.exit("the check is blind")
    if repeated([("a", prepared), ("b", os.urandom(4096))], anywhere):
        sys.exit("the check sees what is not there")


def main(arguments):
    anywhere = arguments[:1] == ["--anywhere"]
    names = arguments[1:] if anywhere else arguments
    if not names:
        sys.exit("blocks.py: no file is named: this proves nothing")
    prove(anywhere)
    if found := repeated([(name, open(name, "rb").read()) for name in names], anywhere):
        sys.exit(found)
    print(f"no block twice in {len(names)} files")


if __name__ == "__main__":
    main(sys.argv[1:])

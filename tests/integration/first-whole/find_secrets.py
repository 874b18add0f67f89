#!/usr/bin/env python3
"""Looks for bytes that were given out in texts that must not hold them.

  find_secrets.py GIVEN... -- SAID...   exit 1 and a line for each file SAID that has 8 of the bytes
                                        of a file GIVEN in a row: raw, in hex or in base64

A file GIVEN whose name ends in .hex holds hex digits. Eight random bytes are met by chance once in
10^9 runs of this size.
"""
import base64
import re
import sys

SIZE = 8


def windows(data):
    return {data[i:i + SIZE] for i in range(len(data) - SIZE + 1)}


def readings(text):
    """Every way to read bytes out of a text."""
    yield "raw", text
    for run in re.findall(rb"[0-9a-fA-F]{%d,}" % (2 * SIZE), text):
        for start in (0, 1):
            digits = run[start:]
            yield "hex", bytes.fromhex(digits[:len(digits) // 2 * 2].decode())
    for run in re.findall(rb"[A-Za-z0-9+/_-]{11,}", text):
        for start in range(4):
            digits = run[start:].translate(bytes.maketrans(b"-_", b"+/"))
            yield "base64", base64.b64decode(digits[:len(digits) // 4 * 4])


def main():
    split = sys.argv.index("--")
    given = set()
    for path in sys.argv[1:split]:
        with open(path, "rb") as f:
            data = f.read()
        given |= windows(bytes.fromhex(data.decode()) if path.endswith(".hex") else data)
    found = False
    for path in sys.argv[split + 1:]:
        with open(path, "rb") as f:
            text = f.read()
        for form, data in readings(text):
            if not given.isdisjoint(windows(data)):
                print(f"{path} holds bytes that were given out, in {form}")
                found = True
    if len(given) < 1000:
        sys.exit("find_secrets.py: too few bytes were given out: this proves nothing")
    sys.exit(1 if found else 0)


main()

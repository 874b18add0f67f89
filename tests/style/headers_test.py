#!/usr/bin/env python3
"""Checks that every header of the product says what its callers must know of errors and of threads.

  headers_test.py ROOT              exit 1 and one line per offence
  headers_test.py ROOT --self-test  headers with offences must be found, what is right must not

The comment at the top of a header has a paragraph that begins with "Thread safety:", and one that begins with
"Errors:", before it. Where each function fails in a way of its own, "Errors:" may stand in their comments instead.
There are no exceptions: what cannot fail says "Errors: none."
"""
import os
import re
import sys
import tempfile

FOLDERS = ("base", "server", "hostagent", "client")
WORDS = ("Errors:", "Thread safety:")


def headers(root):
    for top in FOLDERS:
        for directory, names, files in os.walk(os.path.join(root, top)):
            names.sort()
            for name in sorted(files):
                if name.endswith(".h"):
                    yield os.path.relpath(os.path.join(directory, name), root)


def faults(text):
    """What is wrong with a header of this text."""
    top, _, declarations = text.partition("#pragma once")
    lines = [line[2:].strip() for line in top.splitlines() if line.startswith("//")]
    begins = {}
    for number, line in enumerate(lines):
        for word in WORDS:
            if re.search(rf"(^|[^\w]){word}", line) is None:
                continue
            if not line.startswith(word) or (number > 0 and lines[number - 1] != ""):
                yield f'"{word}" is not the beginning of a paragraph'
            begins.setdefault(word, number)
    errors, threads = (begins.get(word) for word in WORDS)
    if threads is None:
        yield 'has no "Thread safety:" in the comment at its top'
    if errors is None and re.search(r"//.*\bErrors:", declarations) is None:
        yield 'says nothing of "Errors:"'
    if errors is not None and threads is not None and errors > threads:
        yield '"Errors:" stands behind "Thread safety:"'


def check(root):
    found = list(headers(root))
    offences = []
    for path in found:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            offences += [f"{path}: {fault}" for fault in faults(f.read())]
    return found, offences


GOOD = (
    "// A thing.\n//\n// Errors: none.\n//\n// Thread safety: none.\n#pragma once\n",
    "// A thing.\n//\n// Thread safety: a value.\n#pragma once\n// Makes one. Errors: NOT_FOUND.\nint Make();\n",
)
BAD = (
    ("no \"Thread safety:\"", "// A thing.\n//\n// Errors: none.\n#pragma once\n// Thread safety: none.\n"),
    ("nothing of \"Errors:\"", "// A thing.\n//\n// Thread safety: none.\n#pragma once\nint Make();\n"),
    ("nothing of \"Errors:\"", "// A thing.\n//\n// Thread safety: none.\n#pragma once\nint Errors();  // Errors\n"),
    ("not the beginning", "// A thing. Errors: none.\n//\n// Thread safety: none.\n#pragma once\n"),
    ("not the beginning", "// A thing.\n// Errors: none.\n//\n// Thread safety: none.\n#pragma once\n"),
    ("not the beginning", "// A thing.\n//\n// Errors: none. Thread safety: none.\n#pragma once\n"),
    ("behind", "// A thing.\n//\n// Thread safety: none.\n//\n// Errors: none.\n#pragma once\n"),
)


def self_test():
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "server", "pool"))
        path = os.path.join(root, "server", "pool", "x.h")
        for expected, text in (*BAD, *((None, text) for text in GOOD)):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            found = check(root)[1]
            if expected is None and found:
                sys.exit(f"headers_test: found what is right: {found}")
            if expected is not None and not any(expected in offence for offence in found):
                sys.exit(f"headers_test: an offence was not found: {expected}: {text}")
    print("headers_test: the injected offences are found")


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    found, offences = check(arguments[0])
    for offence in offences:
        print(offence)
    if offences:
        sys.exit(f"headers_test: {len(offences)} offences")
    if len(found) < 100:
        sys.exit(f"headers_test: only {len(found)} headers; is this the root?")
    print(f"headers_test: {len(found)} headers speak of errors and of threads")


main(sys.argv[1:])

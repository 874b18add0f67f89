#!/usr/bin/env python3
"""Checks that clang-format would change nothing (.clang-format); it writes nothing.

  format_test.py ROOT              exit 1 and one line per file that differs
  format_test.py ROOT --self-test  a file in another format must be found

Each version formats a little differently: what counts is version 14, of Debian 12. A newer one reports
how many files differ.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

VERSION = 14


def clang_format():
    """(program, its major version)."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            return name, int(re.search(r"version (\d+)", said).group(1))
    sys.exit("format_test: no clang-format; deploy/install-packages.sh test installs it")


def differing(program, root, paths):
    done = subprocess.run([program, "--dry-run", *paths], cwd=root, capture_output=True, text=True)
    found = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning: code should be clang-formatted", done.stderr, re.M)))
    if done.returncode != 0:
        sys.exit(f"format_test: {done.stderr}")
    return found


def self_test(program, root):
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(os.path.join(root, ".clang-format"), scratch)
        for name, text in (("good.cc", "int a = 1;\n"), ("bad.cc", "int   a=1 ;\n")):
            with open(os.path.join(scratch, name), "w", encoding="utf-8") as f:
                f.write(text)
        found = differing(program, scratch, ["good.cc", "bad.cc"])
    if found != ["bad.cc"]:
        sys.exit(f"format_test: expected bad.cc to differ, found {found}")
    print("format_test: the injected file found")


def main():
    root = sys.argv[1]
    program, version = clang_format()
    if "--self-test" in sys.argv:
        self_test(program, root)
        return
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--deduplicate",
                             "*.cc", "*.h", "*.c"], capture_output=True, text=True, check=True).stdout.split()
    paths = [path for path in listed if os.path.exists(os.path.join(root, path))]
    found = differing(program, root, paths)
    if found and version != VERSION:
        print(f"NOTE: clang-format {version} would change {len(found)} files; what counts is version {VERSION}")
        return
    for path in found:
        print(f"{path}: not formatted; clang-format -i {path}")
    if found:
        sys.exit(1)
    print(f"format_test: {len(paths)} files are formatted")


main()

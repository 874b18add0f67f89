#!/usr/bin/env python3
"""Runs every help of our programs and fails where a line does not fit on a terminal.

    tests/style/helps_test.py TREE [BIN]
    tests/style/helps_test.py --self-test

BIN (default TREE/build/release/bin) holds the programs. The commands of entropyctl are found in its helps, so that a
new one is looked at without a word here.
"""
import os
import re
import subprocess
import sys

COLUMNS = 80  # a terminal has at least so many
UNLISTED = ["guest-boot"]  # a command that works although no help names it


def say(*command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"helps_test: {' '.join(command)} ended with {run.returncode}: {run.stdout}")
    return run.stdout


def commands(help_text):
    """The words under `Subcommands:`."""
    found = re.search(r"^Subcommands:\n((?:  .*\n)+)", help_text, re.M)
    return re.findall(r"^  ([a-z][a-z-]*)", found.group(1), re.M) if found else []


def helps(program, words):
    """(command line, its help), and those of all commands below it."""
    text = say(program, *words, "--help")
    yield " ".join([os.path.basename(program), *words, "--help"]), text
    for name in commands(text) + (UNLISTED if not words else []):
        yield from helps(program, [*words, name])


def too_wide(screens):
    return [f"{name}: {len(line)} columns: {line}" for name, text in screens for line in text.splitlines()
            if len(line) > COLUMNS]


def self_test():
    fits, wide = "x" * COLUMNS, "x" * (COLUMNS + 1)
    if too_wide([("a", fits)]) or len(too_wide([("a", f"{fits}\n{wide}\n")])) != 1:
        sys.exit("helps_test: a line that is too wide is not found, or another one is")
    help_text = "Usage:\n\nSubcommands:\n  get   Draw\n        bytes\n  self-test  Run\n\nend\n"
    if commands(help_text) != ["get", "self-test"]:
        sys.exit("helps_test: the commands of a help are not found")
    print("helps_test: what is wrong is found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    tree = sys.argv[1] if len(sys.argv) > 1 else "."
    bin_dir = sys.argv[2] if len(sys.argv) > 2 else os.path.join(tree, "build/release/bin")
    screens = list(helps(os.path.join(bin_dir, "entropyctl"), []))
    for daemon in ("entropyd", "entropyd-hostagent"):
        for flag in ("--help", "--describe-config"):
            screens.append((f"{daemon} {flag}", say(os.path.join(bin_dir, daemon), flag)))
    wide = too_wide(screens)
    print("\n".join(wide), end="\n" if wide else "")
    # entropyctl has more; fewer mean that the walk has missed them.
    if len(screens) < 30:
        sys.exit(f"helps_test: only {len(screens)} helps were found; has the heading `Subcommands:` changed?")
    if wide:
        sys.exit(f"helps_test: {len(wide)} lines are wider than {COLUMNS} columns")
    print(f"helps_test: {len(screens)} helps fit into {COLUMNS} columns")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Applies each mutant of mutants.txt to a copy of the tree, builds base_test there and runs the tests
of the class tree; see run.sh for the usage and README.md for the format."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FILTER = "*ClassTree*:TokenBucket*:IndexedHeap*:TimerWheel*"
# (ENTROPYD_TEST_SCALE, seconds): a short run kills most, and only who survives it gets the long one. A
# mutant may make the scheduler run for ever, which is being found out, too; unbroken the runs take some
# seconds and half a minute.
RUNS = (("0.05", 60), ("1", 300))


class Mutant:
    def __init__(self, path, what):
        self.path, self.what, self.old, self.new = path, what, [], []


def read_mutants():
    mutants = []
    for number, line in enumerate(open(os.path.join(HERE, "mutants.txt")), 1):
        line = line.rstrip("\n")
        if line.startswith("@ "):
            path, what = line[2:].split(": ", 1)
            mutants.append(Mutant(path, what))
        elif line.startswith("-"):
            mutants[-1].old.append(line[1:])
        elif line.startswith("+"):
            mutants[-1].new.append(line[1:])
        elif line and not line.startswith("#"):
            sys.exit(f"mutants.txt:{number}: neither '@ FILE: WHAT' nor a line with - or +")
    return mutants


def applied(mutant, tree):
    """The file's text with the mutant in it, or None when its old lines are not there exactly once."""
    text = open(os.path.join(tree, mutant.path)).read()
    old, new = "\n".join(mutant.old), "\n".join(mutant.new)
    return text.replace(old, new) if text.count(old) == 1 else None


def copy_tree(folder):
    tree = os.path.join(folder, "tree")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns("build", ".git"))
    # A mutant may leave a variable unused.
    lists = os.path.join(tree, "CMakeLists.txt")
    with open(lists) as f:
        text = f.read()
    with open(lists, "w") as f:
        f.write(text.replace("-Werror", ""))
    return tree


def build(tree):
    # What does not compile proves nothing, so that the caller wants to know it.
    command = ["cmake", "--build", "--preset", "release", "-j", str(os.cpu_count()), "--target", "base_test"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


def failing_test(tree):
    """The first test that fails, or None."""
    for scale, seconds in RUNS:
        command = [os.path.join(tree, "build/release/bin/base_test"), f"--gtest_filter={FILTER}",
                   "--gtest_fail_fast", "--gtest_brief=1"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                  timeout=seconds, env={**os.environ, "ENTROPYD_TEST_SCALE": scale})
        except subprocess.TimeoutExpired:
            return f"(the tests do not end within {seconds} s)"
        if done.returncode != 0:
            failed = [line.split()[3].rstrip(",") for line in done.stdout.splitlines()
                      if line.startswith("[  FAILED  ]")]
            return failed[0] if failed else f"(exit {done.returncode})"
    return None


def main(arguments):
    mutants = read_mutants()
    words = [a for a in arguments if not a.startswith("-")]
    if words:
        mutants = [m for m in mutants if any(w in f"{m.path}: {m.what}" for w in words)]
    stale = [m for m in mutants if applied(m, ROOT) is None]
    for m in stale:
        print(f"mutation: '{m.what}' no longer applies to {m.path}; mend it in mutants.txt", file=sys.stderr)
    if "--list" in arguments:
        for m in mutants:
            print(f"{m.path}: {m.what}")
    if stale or not mutants:
        return 2
    if "--list" in arguments:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C, the copy goes away
    with tempfile.TemporaryDirectory(prefix="entropyd-mutation.") as folder:
        tree = copy_tree(folder)
        configured = subprocess.run(["cmake", "--preset", "release"], cwd=tree, capture_output=True, text=True)
        built = build(tree) if configured.returncode == 0 else configured
        unbroken = failing_test(tree) if built.returncode == 0 else built.stdout + built.stderr
        if unbroken is not None:
            print(f"mutation: the copy does not pass unbroken: {unbroken}", file=sys.stderr)
            return 2
        alive, unbuilt = [], []
        for m in mutants:
            path = os.path.join(tree, m.path)
            text = applied(m, tree)
            with open(path) as f:
                original = f.read()
            with open(path, "w") as f:
                f.write(text)
            built = build(tree)
            if built.returncode != 0:
                unbuilt.append(m)
                verdict = "does not build\n" + built.stdout[-2000:]
            else:
                killer = failing_test(tree)
                verdict = f"killed by {killer}" if killer else "ALIVE"
                if killer is None:
                    alive.append(m)
            with open(path, "w") as f:
                f.write(original)
            print(f"{m.path}: {m.what}: {verdict}", flush=True)
    print(f"mutation: {len(mutants)} mutants, {len(alive)} alive, {len(unbuilt)} did not build")
    return 1 if alive else 2 if unbuilt else 0


sys.exit(main(sys.argv[1:]))

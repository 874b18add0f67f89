#!/usr/bin/env python3
"""Applies each mutant of the lists beside it to a copy of the tree, builds the list's test binary there and
runs the list's tests; see run.sh for the usage and README.md for the format."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# (ENTROPYD_TEST_SCALE, seconds): a short run kills most, and only who survives it gets the long one. Unbroken the
# runs take some seconds and half a minute.
RUNS = (("0.05", 60), ("1", 300))
# Tests that do not end have not said what is wrong: a machine that is too slow looks the same. Only a mutant whose
# entry has a line MAY_HANG is killed by that.
MAY_HANG = "! may hang"
HANGS = "the tests do not end"


class Mutant:
    def __init__(self, area, tests, path, what):
        self.area, self.tests, self.path, self.what, self.old, self.new = area, tests, path, what, [], []
        self.may_hang = False

    def __str__(self):
        return f"{self.area}: {self.path}: {self.what}"


def read_list(list_path):
    area = os.path.splitext(os.path.basename(list_path))[0]
    tests = None  # (test binary, gtest filter)
    mutants = []
    for number, line in enumerate(open(list_path), 1):
        line = line.rstrip("\n")
        if line.startswith("% "):
            tests = tuple(line[2:].split(" ", 1))
        elif line.startswith("@ ") and tests is not None:
            path, what = line[2:].split(": ", 1)
            mutants.append(Mutant(area, tests, path, what))
        elif line.startswith("-") and mutants:
            mutants[-1].old.append(line[1:])
        elif line.startswith("+") and mutants:
            mutants[-1].new.append(line[1:])
        elif line == MAY_HANG and mutants:
            mutants[-1].may_hang = True
        elif line and not line.startswith("#"):
            sys.exit(f"{area}.txt:{number}: neither '% TEST FILTER', nor '@ FILE: WHAT' below one, nor a line "
                     f"with - or +, nor '{MAY_HANG}'")
    return mutants


def read_mutants():
    return [m for path in sorted(glob.glob(os.path.join(HERE, "*.txt"))) for m in read_list(path)]


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


def build(tree, targets):
    # What does not compile proves nothing, so that the caller wants to know it.
    command = ["cmake", "--build", "--preset", "release", "-j", str(os.cpu_count()), "--target", *targets]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


def patterns_without_tests(tree, tests):
    """A part of a filter that names no test kills nothing: the tests may have moved to another binary."""
    binary, gtest_filter = tests
    program = os.path.join(tree, "build/release/bin", binary)
    return [pattern for pattern in gtest_filter.split(":")
            if "\n  " not in subprocess.run([program, f"--gtest_filter={pattern}", "--gtest_list_tests"],
                                            capture_output=True, text=True).stdout]


def failing_test(tree, tests):
    """The first test that fails, HANGS, or None."""
    binary, gtest_filter = tests
    for scale, seconds in RUNS:
        command = [os.path.join(tree, "build/release/bin", binary), f"--gtest_filter={gtest_filter}",
                   "--gtest_fail_fast", "--gtest_brief=1"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                  timeout=seconds, env={**os.environ, "ENTROPYD_TEST_SCALE": scale})
        except subprocess.TimeoutExpired:
            return HANGS
        if done.returncode != 0:
            failed = [line.split()[3].rstrip(",") for line in done.stdout.splitlines()
                      if line.startswith("[  FAILED  ]")]
            return failed[0] if failed else f"(exit {done.returncode})"
    return None


def judge(mutant, killer):
    """(what to print, whether the mutant was killed)."""
    if killer is None:
        return "ALIVE", False
    if killer != HANGS:
        return f"killed by {killer}", True
    return (f"killed: {HANGS}", True) if mutant.may_hang else (f"HANGS, and its entry has no line '{MAY_HANG}'", False)


def main(arguments):
    mutants = read_mutants()
    words = [a for a in arguments if not a.startswith("-")]
    if words:
        mutants = [m for m in mutants if any(w in str(m) for w in words)]
    stale = [m for m in mutants if applied(m, ROOT) is None]
    for m in stale:
        print(f"mutation: '{m.what}' no longer applies to {m.path}; mend it in {m.area}.txt", file=sys.stderr)
    if "--list" in arguments:
        for m in mutants:
            print(m)
    if stale or not mutants:
        return 2
    if "--list" in arguments:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C, the copy goes away
    with tempfile.TemporaryDirectory(prefix="entropyd-mutation.") as folder:
        tree = copy_tree(folder)
        # One file a mutant is compiled, and not those that a unity source puts beside it.
        configured = subprocess.run(["cmake", "--preset", "release", "-DCMAKE_UNITY_BUILD=OFF"], cwd=tree,
                                    capture_output=True, text=True)
        suites = sorted({m.tests for m in mutants})
        targets = sorted({binary for binary, _ in suites})
        built = build(tree, targets) if configured.returncode == 0 else configured
        if built.returncode != 0:
            print(f"mutation: the copy does not build: {built.stdout}{built.stderr}", file=sys.stderr)
            return 2
        for tests in suites:
            empty = patterns_without_tests(tree, tests)
            if empty:
                print(f"mutation: {tests[0]} has no test of {', '.join(empty)}; mend the line % of the list",
                      file=sys.stderr)
                return 2
            failed = failing_test(tree, tests)
            if failed is not None:
                print(f"mutation: the copy does not pass unbroken: {failed}", file=sys.stderr)
                return 2
        alive, hanging, unbuilt = [], [], []
        for m in mutants:
            path = os.path.join(tree, m.path)
            text = applied(m, tree)
            with open(path) as f:
                original = f.read()
            with open(path, "w") as f:
                f.write(text)
            built = build(tree, [m.tests[0]])
            if built.returncode != 0:
                unbuilt.append(m)
                verdict = "does not build\n" + built.stdout[-2000:]
            else:
                killer = failing_test(tree, m.tests)
                verdict, killed = judge(m, killer)
                if not killed:
                    (hanging if killer == HANGS else alive).append(m)
            with open(path, "w") as f:
                f.write(original)
            print(f"{m}: {verdict}", flush=True)
    print(f"mutation: {len(mutants)} mutants, {len(alive)} alive, {len(hanging)} hang, {len(unbuilt)} did not build")
    return 1 if alive or hanging else 2 if unbuilt else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

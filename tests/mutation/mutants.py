"""The mutants of the lists beside this file; README.md has their format."""
import glob
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Tests that do not end have not said what is wrong: a machine that is too slow looks the same. Only a mutant whose
# entry has this line is killed by that.
MAY_HANG = "! may hang"


class Mutant:
    def __init__(self, area, tests, path, what):
        self.area, self.tests, self.path, self.what, self.old, self.new = area, tests, path, what, [], []
        self.may_hang = False

    def __str__(self):
        return f"{self.area}: {self.path}: {self.what}"

    def applied(self, root):
        """The file's text with the mutant in it, or None when its old lines are not there exactly once."""
        with open(os.path.join(root, self.path), encoding="utf-8") as f:
            text = f.read()
        old, new = "\n".join(self.old), "\n".join(self.new)
        return text.replace(old, new) if text.count(old) == 1 else None


def read_list(list_path):
    area = os.path.splitext(os.path.basename(list_path))[0]
    tests = None  # (test binary, gtest filter)
    mutants = []
    for number, line in enumerate(open(list_path, encoding="utf-8"), 1):
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


def sample(mutants, count, seed):
    """`count` of them, the same ones for the same seed."""
    return sorted(mutants, key=lambda m: hashlib.sha256(f"{seed} {m}".encode()).digest())[:count]

#!/usr/bin/env python3
"""Checks that the table of requirements in server/README.md, and the threat model, tell the truth.

  requirements_test.py ROOT              exit 1 and one line for each row that does not
  requirements_test.py ROOT --self-test  a table with wrong rows must be found

Each row names a test, `Suite.Name`, and the file that must hold it, or `suite` or `step` and a path
that must exist. Every requirement has a row; one without a test says what it comes with. A test named
`Suite.M5_…` stands in a row of M5.

Each row of the threat model in SECURITY.md names a test, `SuiteTest.Name`, or a folder of steps.
"""
import os
import re
import sys
import tempfile

DOCUMENT = "server/README.md"
THREATS = "SECURITY.md"
TEST_NAME = re.compile(r"`(\w+Test)\.(\w+)`")
NUMBERS = [f"M{i}" for i in range(1, 22)] + [f"S{i}" for i in range(1, 4)]


def rows(text):
    section = re.search(r"^## Requirements\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    number = ""
    for line in section.group(1).splitlines() if section else []:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) != 4 or cells[1] in ("requirement", "---"):
            continue
        number = cells[0] or number
        yield number, cells[2], cells[3].strip("`")


def fault(root, number, test, path):
    if not path:
        return None if test.startswith("comes with ") else "names no test"
    where = os.path.join(root, path)
    if not os.path.exists(where):
        return f"names {path}, which does not exist"
    if test in ("suite", "step"):
        return None
    suite, _, name = test.strip("`").partition(".")
    prefix = re.match(r"([MS]\d+)_", name)
    if prefix and prefix.group(1) != number:
        return f"names {test}, which tests {prefix.group(1)}"
    with open(where, encoding="utf-8") as f:
        if not re.search(rf"\bTEST(_F|_P)?\(\s*{suite},\s*{name}\)", f.read()):
            return f"names {test}, which is not in {path}"
    return None


def all_tests(root):
    """The names of all unit tests, Suite.Name."""
    found = set()
    for folder, _, names in os.walk(os.path.join(root, "tests")):
        for name in names:
            if name.endswith("_test.cc"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    found |= {".".join(m) for m in re.findall(r"\bTEST(?:_F|_P)?\((\w+),\s*(\w+)\)", f.read())}
    return found


def threat_offences(root):
    with open(os.path.join(root, THREATS), encoding="utf-8") as f:
        text = f.read()
    tests = all_tests(root)
    found = [f"{THREATS}: names {suite}.{name}, which is no test"
             for suite, name in TEST_NAME.findall(text) if f"{suite}.{name}" not in tests]
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("promise", "---"):
            continue
        if not (TEST_NAME.search(cells[-1]) or re.search(r"`tests/[\w/-]+`", cells[-1])):
            found.append(f"{THREATS}: the promise '{cells[0]}' names no test")
    return found


def offences(root):
    with open(os.path.join(root, DOCUMENT), encoding="utf-8") as f:
        table = list(rows(f.read()))
    found = [f"{DOCUMENT}: the row of {number} {what}" for number, test, path in table
             if (what := fault(root, number, test, path))]
    have = {number for number, _, _ in table}
    found += [f"{DOCUMENT}: no row for {number}" for number in NUMBERS if number not in have]
    found += [f"{DOCUMENT}: no requirement is called {number}" for number in have - set(NUMBERS)]
    return found


def main():
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        with tempfile.TemporaryDirectory() as copy:
            os.makedirs(os.path.join(copy, "server"))
            with open(os.path.join(copy, "x_test.cc"), "w", encoding="utf-8") as f:
                f.write("TEST_F(XTest,\n       M1_Holds) {\nTEST(XTest, M2_Holds) {\n")
            wrong = ["`XTest.M2_Gone` | `x_test.cc`", "`XTest.M2_Holds` | `y_test.cc`", "step | `z.sh`",
                     "`XTest.M1_Holds` | `x_test.cc`", " | "]
            table = ["## Requirements", "| M1 | a | `XTest.M1_Holds` | `x_test.cc` |"]
            table += [f"| {n} | b | comes with c | |" for n in NUMBERS[1:-1]]
            table += [f"| M3 | d | {row} |" for row in wrong]
            with open(os.path.join(copy, DOCUMENT), "w", encoding="utf-8") as f:
                f.write("\n".join(table) + "\n")
            found = offences(copy)
            os.makedirs(os.path.join(copy, "tests"))
            os.rename(os.path.join(copy, "x_test.cc"), os.path.join(copy, "tests", "x_test.cc"))
            with open(os.path.join(copy, THREATS), "w", encoding="utf-8") as f:
                f.write("| promise | means | shown by |\n|---|---|---|\n| a | b | `XTest.M1_Holds` |\n"
                        "| c | d | `tests/x` |\n| e | f | `XTest.Gone` |\n| g | h | a good feeling |\n")
            threats = threat_offences(copy)
        if len(found) != len(wrong) + 1:
            sys.exit(f"requirements_test: expected {len(wrong) + 1} offences in the prepared table, found {found}")
        if len(threats) != 2:
            sys.exit(f"requirements_test: expected 2 offences in the prepared threat model, found {threats}")
        print("requirements_test: wrong rows found")
        return
    found = offences(root) + threat_offences(root)
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    print("requirements_test: every requirement and every promise has the tests that the tables name")


main()

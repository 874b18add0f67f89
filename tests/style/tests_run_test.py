#!/usr/bin/env python3
"""Finds unit tests that are written and do not run: disabled, skipped, left by an early return, or not built.

  tests_run_test.py ROOT              exit 1 and one line for each
  tests_run_test.py ROOT --self-test  each kind, put into a folder, must be found, and what is no such test must not

A test that lacks what it needs fails and says what that is.
"""
import os
import re
import sys
import tempfile

TEST = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\) \{\n(.*?)^\}\n", re.M | re.S)
SKIP = re.compile(r"\bGTEST_SKIP\b")
DISABLED = re.compile(r"\bDISABLED_\w+")
# A return in the test's own block, not in a lambda or a loop deeper in: what comes after it is a test for some
# machines only.
EARLY_RETURN = re.compile(r"^  (?:if \(.*\) return;|if \(.*\) \{\n(?:    .*\n)*?    return;)", re.M)


def offences_in(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if SKIP.search(line):
            yield f"{path}:{number}: a test skips itself; let it fail and say what it needs"
        if DISABLED.search(line):
            yield f"{path}:{number}: a disabled test proves nothing"
    for suite, name, body in TEST.findall(text):
        if EARLY_RETURN.search(body):
            yield f"{path}: {suite}.{name} returns before its end; let it fail where it cannot work"


def files_built(root):
    """The paths that the CMakeLists.txt files below tests/ list."""
    for folder, _, names in os.walk(os.path.join(root, "tests")):
        if "CMakeLists.txt" in names:
            with open(os.path.join(folder, "CMakeLists.txt"), encoding="utf-8") as f:
                for word in re.findall(r"[\w./]+\.cc", re.sub(r"#.*", "", f.read())):
                    yield os.path.relpath(os.path.normpath(os.path.join(folder, word)), root)


def offences(root):
    built = set(files_built(root))
    for folder, _, names in sorted(os.walk(os.path.join(root, "tests"))):
        for name in sorted(n for n in names if n.endswith((".cc", ".h"))):
            path = os.path.relpath(os.path.join(folder, name), root)
            with open(os.path.join(root, path), encoding="utf-8") as f:
                yield from offences_in(path, f.read())
            if name.endswith("_test.cc") and path not in built:
                yield f"{path}: no CMakeLists.txt builds it"


def self_test():
    good = ("TEST(XTest, Good) {\n  auto f = [&] {\n    if (done) return;\n  };\n  if (a) EXPECT_EQ(b, 1);\n"
            "  if (a) {\n    EXPECT_EQ(b, 1);\n  }\n  f();\n}\n")
    wrong = {
        "skips_test.cc": "TEST(XTest, A) {\n  if (geteuid() != 0) GTEST_SKIP();\n  EXPECT_TRUE(a);\n}\n",
        "disabled_test.cc": "TEST(XTest, DISABLED_A) {\n  EXPECT_TRUE(a);\n}\n",
        "returns_test.cc": "TEST_F(XTest, A) {\n  if (geteuid() != 0) return;\n  EXPECT_TRUE(a);\n}\n",
        "leaves_test.cc": "TEST_F(XTest, A) {\n  if (!there) {\n    Say();\n    return;\n  }\n  EXPECT_TRUE(a);\n}\n",
        "lost_test.cc": good,
        "fixture.h": "void SetUp() {\n  if (!there) GTEST_SKIP() << 1;\n}\n",
    }
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "tests/room"))
        for name, text in {**wrong, "good_test.cc": good}.items():
            with open(os.path.join(root, "tests/room", name), "w", encoding="utf-8") as f:
                f.write(text)
        with open(os.path.join(root, "tests/CMakeLists.txt"), "w", encoding="utf-8") as f:
            f.writelines(f"room/{name}\n" for name in [*wrong, "good_test.cc"] if name != "lost_test.cc")
            f.write("# room/lost_test.cc\nother/room/lost_test.cc\n")
        found = sorted({os.path.basename(line.split(":")[0]) for line in offences(root)})
    if found != sorted(wrong):
        sys.exit(f"tests_run_test: expected one in each of {sorted(wrong)}, found {found}")
    print(f"tests_run_test: {len(wrong)} injected offences found")


def main():
    if "--self-test" in sys.argv:
        self_test()
        return
    found = list(offences(sys.argv[1]))
    print("\n".join(found) or "tests_run_test: every test that is written is built and runs to its end")
    if found:
        sys.exit(1)


main()

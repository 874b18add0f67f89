#!/usr/bin/env python3
"""Checks that shell scripts do not swallow what they ask.

  shell_test.py ROOT              exit 1 and one line per offence
  shell_test.py ROOT --self-test  injected offences must be found, what is right must not

shellcheck's warnings are offences, and so is what looks like a check under `set -e` and cannot fail:

  and-list      [ a ] && [ b ]         a list ends the script only when its last command fails
  not           ! grep -q x file       `set -e` does not look at a command that `!` turns round
  negated-test  [ ! "$(f)" -gt 3 ]     true when f fails and prints nothing
  early         eventually 5 test "$(f)" = 1   the shell runs f once, before it waits
"""
import os
import re
import subprocess
import sys
import tempfile

# A statement: the line's beginning, or what follows `then`, `do`, `else`, `{` or `;`.
BEGIN = r"^\s*(?:(?:then|do|else|\{)\s+)?"
TEST = r"\[\[? [^|]* \]\]?"
RULES = (
    ("and-list", re.compile(BEGIN + TEST + r"\s*&&\s*" + TEST + r"\s*$"), "write two statements"),
    ("not", re.compile(BEGIN + r"! (?!.*\|\|)(?!.*; then$)(?!.*\\$)"), "add `|| die \"why\"`"),
    ("negated-test", re.compile(r"(?:! \[ |\[ ! )[^]]*\$\([^]]* -(?:gt|ge|lt|le|eq|ne) "), "turn the comparison round"),
    ("early", re.compile(r"\beventually [0-9]+ (?:test|\[) .*\"\$\("), "give the condition a function"),
)
# What other files of the vocabulary use, or set for it.
EXCLUDED = "SC1090,SC1091,SC2034"


def scripts(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--deduplicate"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        paths = listed.stdout.split()
    else:
        paths = [os.path.relpath(os.path.join(directory, name), root)
                 for directory, _, names in os.walk(root) for name in names if "/build/" not in directory + "/"]
    for path in sorted(paths):
        full = os.path.join(root, path)
        if not os.path.isfile(full) or os.path.islink(full):
            continue
        if path.endswith(".sh"):
            yield path
        elif "." not in os.path.basename(path).lstrip("."):
            with open(full, "rb") as f:
                if re.match(rb"#!.*\b(ba)?sh\b", f.readline()):
                    yield path


def swallowed(path, text):
    heredoc = None
    for number, line in enumerate(text.splitlines(), 1):
        if heredoc is not None:
            if line.strip() == heredoc:
                heredoc = None
            continue
        begins = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", line)
        if begins and "<<<" not in line:
            heredoc = begins.group(1)
        if line.lstrip().startswith("#"):
            continue
        for name, pattern, remedy in RULES:
            if pattern.search(line):
                yield f"{path}:{number}: {name}: {line.strip()}: cannot fail as it should; {remedy}"


def check(root):
    offences = []
    paths = list(scripts(root))
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            offences += swallowed(path, f.read())
    done = subprocess.run(["shellcheck", "--shell=bash", "--severity=warning", f"--exclude={EXCLUDED}", "--format=gcc",
                           *paths], cwd=root, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"shell_test: shellcheck failed: {done.stderr}")
    return paths, offences + done.stdout.splitlines()


BAD = {
    "and-list": '[ "$a" = 1 ] && [ "$b" = 2 ]',
    "not": "! grep -q secret server.log",
    "negated-test": '[ ! "$(metric server x)" -gt 1000 ]',
    "early": 'eventually 5 test "$(metric server x)" = 1',
    "SC2155": 'f() { local x=$(false); echo "$x"; }\nf',
}
GOOD = """
[ "$a" = 1 ] && [ "$b" = 2 ] || die "neither"
! grep -q secret server.log || die "the log has it"
if ! grep -q secret server.log; then echo; fi
[ "$(metric server x)" -le 1000 ]
eventually 5 connected
[ $found = 1 ] && return 0
cat <<TEXT
! a text
TEXT
"""


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in BAD.items():
            path = os.path.join(folder, "bad.sh")
            with open(path, "w", encoding="utf-8") as f:
                f.write("#!/usr/bin/env bash\na=1 b=2\n" + text.replace("\\n", "\n") + "\n")
            if not any(name in offence for offence in check(folder)[1]):
                sys.exit(f"shell_test: an offence was not found: {name}: {text}")
            os.remove(path)
        with open(os.path.join(folder, "good.sh"), "w", encoding="utf-8") as f:
            f.write("#!/usr/bin/env bash\na=1 b=2 found=1\n" + GOOD)
        if offences := [o for o in check(folder)[1] if "SC2317" not in o]:
            sys.exit(f"shell_test: found what is right: {offences}")
    print("shell_test: the injected offences are found")


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    paths, offences = check(arguments[0])
    for offence in offences:
        print(offence)
    if offences:
        sys.exit(f"shell_test: {len(offences)} offences")
    print(f"shell_test: {len(paths)} scripts swallow nothing")


main(sys.argv[1:])

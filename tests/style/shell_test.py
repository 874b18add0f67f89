#!/usr/bin/env python3
"""Checks that shell scripts do not swallow what they ask.

  shell_test.py ROOT              exit 1 and one line per offence
  shell_test.py ROOT --self-test  injected offences must be found, what is right must not

shellcheck's warnings are offences, and so is what looks like a check under `set -e` and cannot fail:

  and-list      [ a ] && [ b ], a && b  a list ends the script only when its last command fails
  and-die       a && die "why"         as a last statement it fails when all is well
  not           ! grep -q x file       `set -e` does not look at a command that `!` turns round
  lacks         ! grep -q x file || die  a file that is not there has no such line
  negated-test  [ ! "$(f)" -gt 3 ]     true when f fails and prints nothing
  unequal       [ "$(f)" != 3 ]        likewise, [ -z "$(f)" ], and [ "$(f)" = "$(g)" ] when both fail
  arithmetic    $(($(f) - 3))          -3 when f fails and prints nothing
  two-asked     a=$(f) b=$(g)          the status is that of g
  count         grep -c x file || true   no count when there is no file
  swallowed     wait $pid || true    in tests; any status will do, that of a crash, too
  ended         eventually 5 has_ended x   however it has ended
  none-counted  [ "$(f | wc -l)" = 0 ]   what fails has no lines either
  any-failure   if f 2>&1; then die  f may fail for any reason
  early         eventually 5 test "$(f)" = 1   the shell runs f once, before it waits
  no-pattern    expect_failure 2 .     any failure will do; grep -q . file  any content
  early-end     f | grep -q x          grep ends at the first such line, and f dies of a SIGPIPE when it writes on
"""
import os
import re
import subprocess
import sys
import tempfile

# A statement: the line's beginning, or what follows `then`, `do`, `else`, `{` or `;`.
BEGIN = r"^\s*(?:(?:then|do|else|\{)\s+)?"
TEST = r"\[\[? [^|]* \]\]?"
# A command whose output the shell puts in, not arithmetic. `date` always prints a number.
ASKED = r"\$\((?!\()(?!date )"
RULES = (
    ("and-list", re.compile(BEGIN + TEST + r"\s*&&\s*" + TEST + r"\s*$"), "write two statements"),
    ("and-die", re.compile(r"&& die\b"), "turn it round, with `|| die`, or write `if`"),
    ("not", re.compile(BEGIN + r"! (?!.*\|\|)(?!.*; then$)(?!.*\\$)"), "add `|| die \"why\"`"),
    ("lacks", re.compile(r"(?:\bif|" + BEGIN + r"!) (?:.*\| )?grep .*(?:; then die\b|\|\| (?:die\b|\{))"),
     "write `lacks FILE PATTERN || die`"),
    ("negated-test", re.compile(r"(?:! \[ |\[ ! )[^]]*\$\([^]]* -(?:gt|ge|lt|le|eq|ne) "), "turn the comparison round"),
    ("unequal", re.compile(r"\[\[? (?:-z )?\"?" + ASKED + r"(?!id -u\)).*(?: != |(?<=-z ).*\]|\)\" \])"),
     "write `alike A B`, `differ A B`, or `is_empty DIRECTORY`"),
    ("arithmetic", re.compile(r"\$\(\((?:(?!\)\)).)*?" + ASKED), "ask first, and count then"),
    ("two-asked", re.compile(r"^\s*\w+=" + ASKED + r".*\) \w+=\"?\$\((?!\()"), "write two statements"),
    ("count", re.compile(r"\bgrep -[a-zA-Z]*c[a-zA-Z]* .*\|\| true\b"), "write `|| [ $? = 1 ]`"),
    ("early", re.compile(r"\beventually [0-9]+ (?:[^\\$]|\$\(\(|\$[^(]|\\.)*\$\((?!\()"),
     "give the condition a function, or ask first"),
    ("early-end", re.compile(r"\|\s*grep (?:-\S+ )*-[a-zA-Z]*q"), "write `| grep PATTERN >/dev/null`, which reads all"),
    ("swallowed", re.compile(r"\|\| (?:true|:)(?![\w:])"), "say which status it may have: `|| [ $? = 1 ]`"),
    ("ended", re.compile(r"\beventually [0-9]+ has_ended\b"), "write `ends NAME SECONDS STATUS`"),
    ("none-counted", re.compile(r"\| wc -[lc]\)\"? (?:= 0|-eq 0|-l[et]) "), "ask first, and count then"),
    ("any-failure", re.compile(BEGIN + r"if [^!\[].*2>&1; then die\b"), "write `expect_failure STATUS PATTERN`"),
    ("no-pattern", re.compile(r"\bgrep (?:-\S+ )*-[a-zA-Z]*q[a-zA-Z]* (?:['\"]\.?['\"]|\.)(?: |$)"),
     "say what it says"),
    ("no-pattern", re.compile(r"\bexpect_failure (?!124)[0-9]+ (?:['\"]\.?['\"]|\.) "), "say what the error says"),
)
# Of a line without its strings and substitutions: `a && b` as a statement, where a is no test.
AND_LIST = re.compile(r"^(?!if |elif |while |until |case |for |&&|\[|\(|!|.*[{}]|.*\|\||.*\w\) )"
                      r".*[^&]&&(?! (?:return|break|continue|exit)\b)(?! *$)(?!.*\\$)")


def bare(line):
    """A statement with its strings and what the shell puts in left out."""
    line = re.sub(r"^(?:then|do|else) +", "", line.strip())
    line = re.sub(r"'[^']*'", "''", line)
    for _ in range(4):
        line = re.sub(r"\$\([^()]*\)", "$", line)
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)


# A line behind one that ends in a pipe.
EARLY_END = re.compile(r"^\s*grep (?:-\S+ )*-[a-zA-Z]*q")

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
    heredoc, before = None, ""
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
        piped, before = before.endswith("|") and not before.endswith("||"), line.rstrip()
        if piped and EARLY_END.search(line):
            yield f"{path}:{number}: early-end: {line.strip()}: may end what writes; write `grep PATTERN >/dev/null`"
        for name, pattern, remedy in RULES:
            # Scripts of packages do what they can, and go on.
            if pattern.search(line) and not (name == "swallowed" and path.startswith("deploy/")):
                yield f"{path}:{number}: {name}: {line.strip()}: cannot fail as it should; {remedy}"
        # A line with half a pair of quotes holds a string of several lines, e.g. awk's.
        if line.count("'") % 2 == 0 and AND_LIST.search(bare(line)):
            yield f"{path}:{number}: and-list: {line.strip()}: cannot fail as it should; write two statements"


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


BAD = (
    ("and-list", '[ "$a" = 1 ] && [ "$b" = 2 ]'),
    ("and-list", 'mkdir x && cp "$a" x'),
    ("and-list", "if true; then\n  mkdir x && touch x/y\nfi"),
    ("and-die", 'grep -q STOPPING server.log && die "it says that it stops"'),
    ("not", "! grep -q secret server.log"),
    ("lacks", '! grep -q secret server.log || die "the log has it"'),
    ("lacks", 'if grep -q secret server.log; then die "the log has it"; fi'),
    ("lacks", 'if curl -s x | grep -q secret; then die "the page has it"; fi'),
    ("negated-test", '[ ! "$(metric server x)" -gt 1000 ]'),
    ("unequal", '[ "$(pid_of agent)" != "$a" ] || die "the same"'),
    ("unequal", '[ -z "$(ls scratch)" ] || die "left behind"'),
    ("unequal", '[ "$(serving_pid)" = "$(pid_of agent)" ]'),
    ("arithmetic", 'b=$(($(ticks) - a))'),
    ("arithmetic", '[ $(($(metric server x) - a)) -ge 32 ]'),
    ("arithmetic", 'echo $((a - (2 * $(cat passed))))'),
    ("two-asked", 'a=$(rss) b=$(fds)'),
    ("count", 'a=$(grep -c x server.log || true)'),
    ("swallowed", "wait $! || true"),
    ("swallowed", "ctl status >said || :"),
    ("ended", "eventually 5 has_ended agent"),
    ("none-counted", '[ "$(agents | wc -l)" = 0 ]'),
    ("none-counted", '[ "$(grep x log | wc -l)" -le 3 ] || die "many"'),
    ("any-failure", 'if ctl get >said 2>&1; then die "it gives"; fi'),
    ("no-pattern", "grep -q . said"),
    ("no-pattern", "grep -q '' said || die nothing"),
    ("early-end", "ctl classes |\n  grep -q gold"),
    ("early", 'eventually 5 test "$(metric server x)" = 1'),
    ("early", 'eventually 5 attached_to "$(other one)"'),
    ("early", 'eventually 5 has_read $(($(reads) + 5))'),
    ("early-end", "ctl classes | grep -q gold"),
    ("early-end", 'ctl classes | grep -i -Eq "gold" || die "no gold"'),
    ("no-pattern", "expect_failure 69 '.' ctl get"),
    ("no-pattern", 'expect_failure 1 "" ctl get'),
    ("SC2155", 'f() { local x=$(false); echo "$x"; }\nf'),
)
GOOD = """
[ "$a" = 1 ] && [ "$b" = 2 ] || die "neither"
lacks server.log secret || die "the log has it"
if ! grep -q secret server.log; then echo; fi
grep -q public server.log || die "the log lacks it"
[ "$(metric server x)" -le 1000 ]
eventually 5 connected
eventually 5 has_read $((a + 5))
eventually 5 bash -c "[ \\$(cat x) = 1 ]"
[ $found = 1 ] && return 0
connected && return 0
both() { connected && [ "$(metric server x)" = 1 ]; }
a=$(cd / && pwd)
(cd / && pwd)
a=$((b + 3))
a=$((($(date +%s%N) - b) / 1000000))
a=$(grep -c x server.log || [ $? = 1 ])
ctl status >said || [ $? = 3 ]
[ "$(ls made | wc -l)" = 3 ]
if crashed; then die "it crashed"; fi
ctl pools | grep .
[ -n "$a" ] ||
  grep -q x server.log
if [ "$(id -u)" != 0 ]; then echo; fi
[ -z "${a:-}" ] || echo
echo "a && b"
echo "$a" | grep -E "1|2" >/dev/null
awk '/a/ && /b/ {print}' server.log
expect_failure 124 '' get
cat <<TEXT
! a text
TEXT
"""


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in BAD:
            path = os.path.join(folder, "bad.sh")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"#!/usr/bin/env bash\na=1 b=2\n{text}\n")
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

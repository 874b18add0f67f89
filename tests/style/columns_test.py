#!/usr/bin/env python3
"""Checks that lines end where a reader's window does: column 100 in code, column 120 in prose.

  columns_test.py ROOT              exit 1 and one line per offence
  columns_test.py ROOT --wrap       wraps the prose that is too long, and says what is left
  columns_test.py ROOT --self-test  lines that are too long must be found, others must not

Code is .cc, .h and .c, without raw strings and lines with an address (https://…) in them. Prose
is .md, without code fences, tables and lines that cannot be broken.
"""
import os
import re
import subprocess
import sys
import tempfile

CODE, PROSE = 100, 120
ADDRESS = re.compile(r"[a-z]+://\S{20}")
# What a new line must not begin with: Markdown would make a list, a heading, a table or a quotation of it.
BLOCK = re.compile(r"([-*+]|#+|\d+[.)]|>|\|.*|=+|-+)$")
ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")


def files(root, *endings):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--deduplicate",
                             *[f"*{ending}" for ending in endings]], capture_output=True, text=True)
    if listed.returncode == 0:
        return sorted(path for path in listed.stdout.split() if os.path.exists(os.path.join(root, path)))
    found = []
    for directory, names, inside in os.walk(root):
        names[:] = [name for name in names if name not in ("build", ".git")]
        found += [os.path.relpath(os.path.join(directory, name), root) for name in inside
                  if name.endswith(endings)]
    return sorted(found)


def long_code(text):
    closing = None  # of the raw string that the line is in
    for number, line in enumerate(text.split("\n"), 1):
        raw = closing is not None
        rest = line
        while True:
            if closing is None:
                match = re.search(r'R"([^()\\ ]{0,16})\(', rest)
                if not match:
                    break
                closing, rest, raw = f'){match.group(1)}"', rest[match.end():], True
            elif closing in rest:
                closing, rest = None, rest.split(closing, 1)[1]
            else:
                break
        if len(line) > CODE and not raw and not ADDRESS.search(line):
            yield number, line


def words(text):
    """What may stand on a line of its own: a code span or the text of a link is one word with its neighbours."""
    found, open_span = [], False
    for word in text.split():
        if open_span:
            found[-1] += " " + word
        else:
            found.append(word)
        if word.count("`") % 2:
            open_span = not open_span
    return found


def fill(text, first, rest, width):
    lines, line = [], first
    for word in words(text):
        empty = line in (first, rest) and not line.strip() or line == first
        if not empty and len(line) + 1 + len(word) > width and not BLOCK.match(word):
            lines.append(line)
            line = rest + word
        else:
            line += word if empty else " " + word
    return lines + [line]


def blocks(text):
    """The text as (is it prose?, lines): a paragraph or an item of a list is one piece of prose."""
    current, fence = [], False
    for line in text.split("\n"):
        mark = line.lstrip().startswith("```")
        plain = (fence or mark or not line.strip() or line.lstrip().startswith(("|", "#", "<", ">", "[//]"))
                 or (line.startswith("    ") and not current))
        if mark:
            fence = not fence
        if plain or ITEM.match(line):
            if current:
                yield True, current
            current = []
        if plain:
            yield False, [line]
        else:
            current.append(line)
    if current:
        yield True, current


def wrapped(text):
    out = []
    for prose, lines in blocks(text):
        if prose and any(len(line) > PROSE for line in lines):
            # From the first line that is too long; what stands before stays as it is.
            start = next(i for i, line in enumerate(lines) if len(line) > PROSE)
            item = ITEM.match(lines[0])
            rest = " " * len(item.group(0)) if item else re.match(r"\s*", lines[0]).group(0)
            first = item.group(0) if item and start == 0 else (rest if start else re.match(r"\s*", lines[0]).group(0))
            body = " ".join(lines[start:])
            if item and start == 0:
                body = body[len(first):]
            lines = lines[:start] + fill(body, first, rest, PROSE)
        out += lines
    return "\n".join(out)


def long_prose(text):
    number = 0
    for prose, lines in blocks(text):
        for line in lines:
            number += 1
            if prose and len(line) > PROSE and not ADDRESS.search(line) and len(words(line)) > 1:
                yield number, line


def offences(root):
    checked = 0
    for endings, find, limit in (((".cc", ".h", ".c"), long_code, CODE), ((".md",), long_prose, PROSE)):
        for path in files(root, *endings):
            checked += 1
            with open(os.path.join(root, path), encoding="utf-8") as f:
                for number, line in find(f.read()):
                    yield f"{path}:{number}: {len(line)} columns, more than {limit}"
    if checked == 0:
        yield f"{root}: no files; is this the project's root?"


def wrap_all(root):
    for path in files(root, ".md"):
        path = os.path.join(root, path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        new = wrapped(text)
        if " ".join(new.split()) != " ".join(text.split()):
            sys.exit(f"columns_test: wrapping would change {path}")
        if new != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)


def self_test():
    long_words = "word " * 30
    bad = {"a.cc": "int a;  // " + "x" * 100, "b.md": long_words, "c.md": "* " + long_words,
           "d.cc": 'auto a = R"(\n)"; // ' + "x" * 100 + "\nint b;  // " + "x" * 100}
    good = {"e.cc": f'auto a = R"(\n{"x" * 200}\n)";', "f.h": "// https://example.org/" + "x" * 100,
            "g.md": f"| {long_words} |\n```\n{long_words}\n```\n"}
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**bad, **good}.items():
            with open(os.path.join(root, name), "w", encoding="utf-8") as f:
                f.write(text + "\n")
        found = {offence.split(":")[0] for offence in offences(root)}
        if found != set(bad):
            sys.exit(f"columns_test: expected offences in {sorted(bad)}, found {sorted(found)}")
        wrap_all(root)
        left = {offence.split(":")[0] for offence in offences(root)}
        if left != {"a.cc", "d.cc"}:
            sys.exit(f"columns_test: wrapped prose is still too long: {sorted(left)}")
    print(f"columns_test: {len(bad)} injected long lines found")


def main():
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        self_test()
        return
    if "--wrap" in sys.argv:
        wrap_all(root)
    found = list(offences(root))
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    print("columns_test: every line fits")


main()

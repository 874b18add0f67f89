#!/usr/bin/env python3
"""Checks that lines end where a reader's window does: column 100 in code, column 120 in prose and scripts;
and that no line of a paragraph ends long before that.

  columns_test.py ROOT              exit 1 and one line per offence
  columns_test.py ROOT --wrap       wraps the prose and the comments with an offence, and says what is left
  columns_test.py ROOT --self-test  lines that are too long or broken early must be found, others must not

Code is .cc, .h, .c and .proto, without raw strings and lines with an address (https://…) in them.
Prose is .md, without code fences, tables and lines that cannot be broken. Scripts are .sh, .py,
.cmake, CMakeLists.txt and files that begin with #! and a shell or Python; a command line is read like
prose. Of them only a line of one word, which cannot be broken, may be longer.

A line is broken early when the next word of its paragraph would fit behind it with SLACK columns to spare.
Paragraphs are those of prose, and of comments in code that have their lines to themselves.
"""
import os
import re
import subprocess
import sys
import tempfile

CODE, PROSE = 100, 120
# A changed word need not move a whole paragraph.
SLACK = 10
CODE_ENDINGS, SCRIPT_ENDINGS = (".cc", ".h", ".c", ".proto"), (".sh", ".py", ".cmake", "CMakeLists.txt")
INTERPRETER = re.compile(rb"#!.*\b(ba)?sh\b|#!.*\bpython3?\b")
ADDRESS = re.compile(r"[a-z]+://\S{20}")
# To be emptied: files that still have lines that are too long. One that has none any more is an offence, too.
STANDING = []
# What a new line must not begin with: Markdown would make a list, a heading, a table or a quotation of it.
BLOCK = re.compile(r"([-*+]|#+|\d+[.)]|>|\|.*|=+|-+)$")
ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])(\s+)")
COMMENT = re.compile(r"(\s*// )(.*)$")
# What begins a paragraph of a comment on a line of its own, such as "Errors:".
LABEL = re.compile(r"[A-Z][\w ,]{0,25}:(\s|$)")


def files(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--deduplicate"],
                            capture_output=True, text=True)
    found = listed.stdout.split()
    if listed.returncode != 0:
        for directory, names, inside in os.walk(root):
            names[:] = [name for name in names if name not in ("build", ".git")]
            found += [os.path.relpath(os.path.join(directory, name), root) for name in inside]
    return sorted(path for path in found if os.path.isfile(os.path.join(root, path)))


def is_script(root, path):
    if path.endswith(SCRIPT_ENDINGS):
        return True
    with open(os.path.join(root, path), "rb") as f:
        return bool(INTERPRETER.match(f.readline(200)))


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


def pieces(text, path):
    """The text as (is it a paragraph?, what its first line begins with, what the others do, lines)."""
    if path.endswith(".md"):
        for prose, lines in blocks(text):
            item = ITEM.match(lines[0])
            first = item.group(0) if item else re.match(r"\s*", lines[0]).group(0)
            rest = " " * len(first) if item else first
            yield prose, first, re.match(r"\s*", lines[1]).group(0) if len(lines) > 1 else rest, lines
        return
    lines = text.split("\n")
    while lines:
        count, first, rest = comment(lines)
        yield count > 0, first, rest, lines[:max(count, 1)]
        del lines[:max(count, 1)]


def comment(lines):
    """How many lines the paragraph of a comment has that begins here, and with what they begin."""
    def text_of(line, mark):
        begins_here = line.startswith(mark) and line[len(mark):len(mark) + 1].strip()
        return line[len(mark):] if begins_here and COMMENT.match(line) else None
    match = COMMENT.match(lines[0])
    if not match or not text_of(lines[0], match.group(1)):
        return 0, "", ""
    first = rest = match.group(1)
    item = ITEM.match(match.group(2))
    if item:
        first, rest = first + item.group(0), first + " " * len(item.group(0))
    count = 1
    while count < len(lines):
        more = text_of(lines[count], rest)
        if more is None or LABEL.match(more) or (not item and ITEM.match(more)):
            break
        count += 1
    return count, first, rest


def without(begin, line):
    return line[len(begin):] if line.startswith(begin) else line.strip()


def early(lines, first, rest, width):
    """Which lines of a paragraph are broken early, counted from 0."""
    texts = [without(first, lines[0])] + [without(rest, line) for line in lines[1:]]
    for i in range(len(lines) - 1):
        word = words(" ".join(texts[i + 1:]))[:1]
        closed = sum(text.count("`") for text in texts[:i + 1]) % 2 == 0
        if closed and word and len(lines[i]) + 1 + len(word[0]) + SLACK < width and not BLOCK.match(word[0]):
            yield i


def wrapped(text, path):
    width, out = width_of(path), []
    for paragraph, first, rest, lines in pieces(text, path):
        wrong = [i for i, line in enumerate(lines) if len(line) > width and not ADDRESS.search(line)]
        wrong += early(lines, first, rest, width)
        if paragraph and wrong:
            # From the first line that is wrong; what stands before stays as it is.
            start = min(wrong)
            begin = rest if start else first
            body = " ".join([without(begin, lines[start])] + [without(rest, line) for line in lines[start + 1:]])
            lines = lines[:start] + fill(body, begin, rest, width)
        out += lines
    return "\n".join(out)


def has_paragraphs(path):
    return path.endswith(CODE_ENDINGS) or path.endswith(".md")


def width_of(path):
    return PROSE if path.endswith(".md") else CODE


def broken_early(text, path):
    if not has_paragraphs(path):
        return
    number = 1
    for paragraph, first, rest, lines in pieces(text, path):
        if paragraph:
            yield from (number + i for i in early(lines, first, rest, width_of(path)))
        number += len(lines)


def long_prose(text):
    number = 0
    for prose, lines in blocks(text):
        for line in lines:
            number += 1
            if prose and len(line) > PROSE and not ADDRESS.search(line) and len(words(line)) > 1:
                yield number, line


def long_script(text):
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > PROSE and len(line.lstrip("# ").split()) > 1:
            yield number, line


def rule(root, path):
    """(what finds its lines that are too long, their limit), or None for a file of another kind."""
    if path.endswith(CODE_ENDINGS):
        return long_code, CODE
    if path.endswith(".md"):
        return long_prose, PROSE
    return (long_script, PROSE) if is_script(root, path) else None


def offences(root, standing=STANDING):
    checked, seen = 0, set()
    for path in files(root):
        if not (found := rule(root, path)):
            continue
        find, limit = found
        checked += 1
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        for number, line in find(text):
            seen.add(path)
            if path not in standing:
                yield f"{path}:{number}: {len(line)} columns, more than {limit}"
        for number in broken_early(text, path):
            yield f"{path}:{number}: broken early: the next word fits behind it; --wrap mends it"
    yield from (f"{path}: every line fits; take it out of STANDING" for path in standing if path not in seen)
    if checked == 0:
        yield f"{root}: no files; is this the project's root?"


def wrap_all(root):
    def letters(text):
        return "".join(re.sub(r"(?m)^\s*//", "", text).split())
    for path in filter(has_paragraphs, files(root)):
        path = os.path.join(root, path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        new = wrapped(text, path)
        if letters(new) != letters(text):
            sys.exit(f"columns_test: wrapping would change {path}")
        if new != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)


def self_test():
    long_words, fits = "word " * 30, "word " * 23 + "words"
    bad = {"a.cc": "int a;  // " + "x" * 100, "b.md": long_words, "c.md": "* " + long_words,
           "d.cc": 'auto a = R"(\n)"; // ' + "x" * 100 + "\nint b;  // " + "x" * 100,
           "comment.proto": "// " + "x" * 98, "field.proto": 'string a = 1 [(rule) = {help: "' + "a" * 80 + '"}];',
           "a.sh": fits + "s", "heredoc.sh": f"cat <<TEXT\n{long_words}\nTEXT", "a.py": "# " + long_words,
           "a.cmake": f"set(a {long_words})", "CMakeLists.txt": f"set(a {long_words})",
           "bash": "#!/usr/bin/env bash\necho " + long_words, "a.postinst": "#!/bin/sh -e\necho " + long_words,
           "python": "#!/usr/bin/env python3\n# " + long_words,
           "early.md": "word " * 20 + "\nword", "early_item.md": "* " + "word " * 20 + "\n  word word",
           "lazy_item.md": "1. " + "word " * 20 + "\nword word\n  word",
           "early.h": "  // " + "word " * 15 + "\n  // word", "early.proto": "// * " + "word " * 15 + "\n//   word"}
    good = {"e.cc": f'auto a = R"(\n{"x" * 200}\n)";', "f.h": "// https://example.org/" + "x" * 100,
            "g.md": f"| {long_words} |\n```\n{long_words}\n```\n",
            "fits.proto": "// " + "x" * 97, "address.proto": "// https://example.org/" + "x" * 100,
            "fits.sh": fits, "word.sh": "# https://example.org/" + "x" * 100 + f"\ncat <<BASE64\n{'x' * 200}\nBASE64",
            "fits.py": fits, "fits.cmake": fits, "fits/CMakeLists.txt": fits, "fits/bash": "#!/bin/bash\n" + fits,
            "text": long_words, "awk": "#!/usr/bin/awk -f\n# " + long_words,
            "late.md": "word " * 21 + "\nword", "span.md": "word " * 14 + f"\n`{'word ' * 12}`",
            "apart.md": "short\n\nshort\n\n* short\n* short\n\nshort\n```\nshort\nshort\n```\n",
            "apart.h": "// short\n//\n// short\n// Errors: none.\nint a;  // short\nint b;\n// short:\n"
                       "//   short\n//   short\n// short\n\n// short\n  // short\n// * short\n// * short\n"}
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**bad, **good}.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w", encoding="utf-8") as f:
                f.write(text + "\n")
        found = {offence.split(":")[0] for offence in offences(root, [])}
        if found != set(bad):
            sys.exit(f"columns_test: expected offences in {sorted(bad)}, found {sorted(found)}")
        wrap_all(root)
        left = {offence.split(":")[0] for offence in offences(root, [])}
        wraps = {"b.md", "c.md", "early.md", "early_item.md", "lazy_item.md", "early.h", "early.proto"}
        if left != set(bad) - wraps:
            sys.exit(f"columns_test: what wrapping leaves should be all but {sorted(wraps)}, is {sorted(left)}")
        if not any("fits.sh: " in offence for offence in offences(root, ["fits.sh"])):
            sys.exit("columns_test: a file without long lines may stay in STANDING")
    print(f"columns_test: {len(bad) + 1} injected offences found")


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
    print("columns_test: every line fits, and none is broken early")


main()

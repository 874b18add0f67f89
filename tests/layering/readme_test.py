#!/usr/bin/env python3
"""Checks that every file that a document names exists, and every test that a comment names, and what the READMEs of
top folders say of rooms and files.

  readme_test.py ROOT              exit 1 and one line per offence
  readme_test.py ROOT --self-test  documents with offences must be found

A name is `text in backticks` that looks like a path of this tree: it has a slash or one of our file
endings, no spaces, no upper-case placeholders; or the target of a relative Markdown link. It may be
relative to the document or to the root. Absolute paths are a user's machine and are not checked. In the comments of
.h, .cc and .proto files it is whatever ends in _test.cc.

A row of a table of rooms says what is in the room, what may come in and what never. The READMEs of the server
and of the agent tell where a byte and a request go, so they name every file, as x.h or as x.cc.
"""
import os
import re
import subprocess
import sys
import tempfile

ENDING = re.compile(r"\.(h|cc|c|proto|md|sh|py|yaml|yml|json|service|socket|txt|cmake|rules)$")
BACKTICK = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"(?<![\w./])[\w./]+_test\.cc\b")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PLACEHOLDER = re.compile(r"[A-Z<>*$…{}~=:]|^-|^/|^\d(?!\d-[\w-]+\.sh$)")
# Words with a slash or an ending that are no files of the tree.
TREE = {"proto", "base", "server", "hostagent", "client", "deploy", "docs", "tests", ".ci"}
ROOMS = "| room | what is in here | what may come in | what never |"
TELLS_OF_EACH_FILE = ("server", "hostagent")
RUNTIME = {"server.yaml", "agent.yaml", "client.yaml"}


def looks_like_a_path(token):
    if " " in token or token in RUNTIME:
        return False
    last = token.rstrip("/").rsplit("/", 1)[-1]
    if re.fullmatch(r"[A-Z]+\.md", last) or last == "CMakeLists.txt" or last == "LICENSE":
        return not token.startswith("/")
    if PLACEHOLDER.search(token):
        return False
    if "/" in token:
        return token.split("/", 1)[0] in TREE or bool(ENDING.search(token))
    return bool(ENDING.search(token))


def documents(root, endings=(".md",)):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--deduplicate",
                             *(f"*{ending}" for ending in endings)], capture_output=True, text=True)
    if listed.returncode == 0:
        return [path for path in listed.stdout.split() if os.path.exists(os.path.join(root, path))]
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [n for n in names if n not in ("build", ".git")]
        found += [os.path.relpath(os.path.join(directory, f), root) for f in files if f.endswith(endings)]
    return sorted(found)


def offences(root):
    found, checked = [], 0
    for document in documents(root):
        with open(os.path.join(root, document), encoding="utf-8") as f:
            text = f.read()
        fence = False
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("```"):
                fence = not fence
                continue
            if fence:
                continue
            names = [t for t in BACKTICK.findall(line) if looks_like_a_path(t)]
            names += [t for t in LINK.findall(line) if "://" not in t]
            for name in names:
                checked += 1
                if not exists(root, document, name):
                    found.append(f"{document}:{number}: names `{name}`, which does not exist")
        found += rooms_half_told(document, text)
    found += tests_that_comments_name(root)
    found += untold_files(root)
    if checked < 10:
        found.append(f"{root}: only {checked} names found in the documents; is this the root?")
    return found


def exists(root, document, name):
    bases = [root, os.path.dirname(os.path.join(root, document))]
    return any(os.path.exists(os.path.join(base, name)) for base in bases)


def tests_that_comments_name(root):
    for path in documents(root, (".h", ".cc", ".proto")):
        with open(os.path.join(root, path), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                for name in TEST.findall(line.partition("//")[2]):
                    if not exists(root, path, name):
                        yield f"{path}:{number}: names {name}, which does not exist"


def rooms_half_told(document, text):
    """Rows of a table of rooms without a cell."""
    table = False
    for number, line in enumerate(text.splitlines(), 1):
        table = line.startswith("|") and (table or line.strip() == ROOMS)
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if table and (len(cells) != ROOMS.count("|") - 1 or not all(cells)):
            yield f"{document}:{number}: says not of a room what is in it, what may come in and what never"


def untold_files(root):
    for top in TELLS_OF_EACH_FILE:
        try:
            with open(os.path.join(root, top, "README.md"), encoding="utf-8") as f:
                named = set(BACKTICK.findall(f.read()))
        except FileNotFoundError:
            named = set()
        for directory, _, names in os.walk(os.path.join(root, top)):
            stems = {os.path.splitext(name)[0] for name in names if name.endswith((".h", ".cc"))}
            for path in sorted(os.path.relpath(os.path.join(directory, stem), root) for stem in stems):
                if not named & {f"{path}.h", f"{path}.cc"}:
                    yield f"{top}/README.md: does not name `{path}`"


def main():
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        with tempfile.TemporaryDirectory() as copy:
            os.makedirs(os.path.join(copy, "server", "pool"))
            for name in ("pool/x.h", "pool/y.h", "y.cc"):
                open(os.path.join(copy, "server", name), "w").close()
            os.makedirs(os.path.join(copy, "tests", "pool"))
            texts = {"server/pool/x.h": "// tests/pool/x_test.cc or tests/gone_test.cc\nint x;  // a_test.cc.\n",
                     "tests/pool/x_test.cc": '// y_test.cc\nRead("b_test.cc");\n', "tests/pool/y_test.cc": ""}
            for name, text in texts.items():
                with open(os.path.join(copy, name), "w", encoding="utf-8") as f:
                    f.write(text)
            with open(os.path.join(copy, "server", "README.md"), "w", encoding="utf-8") as f:
                f.write("`server/pool/x.h` `server/pool/y.h`\n" * 12)
                f.write("`server/gone.h`, `docs/gone/`, `01-gone.sh`, `0x02` and [x](nowhere.md)\n" + ROOMS)
                f.write("\n|---|---|---|---|\n| `a` | x | y | z |\n| `b` | x | | z |\n| `c` | x | y |\n")
            found = offences(copy)
        said = ["`server/gone.h`", "`docs/gone/`", "`01-gone.sh`", "`nowhere.md`", "README.md:17:", "README.md:18:",
                "tests/gone_test.cc", "a_test.cc", "`server/y`"]
        if len(found) != len(said) or not all(one in offence for one, offence in zip(said, found)):
            sys.exit(f"readme_test: expected {said} in the prepared document, found {found}")
        print(f"readme_test: {len(said)} injected offences found")
        return
    found = offences(root)
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    print("readme_test: every file that a document names exists, and every test that a comment names; READMEs tell of "
          "every room and file")


main()

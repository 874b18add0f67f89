#!/usr/bin/env python3
"""Checks that every file a document names exists.

  readme_test.py ROOT              exit 1 and one line per name that leads nowhere
  readme_test.py ROOT --self-test  a document with a wrong name must be found

A name is `text in backticks` that looks like a path of this tree: it has a slash or one of our file
endings, no spaces, no upper-case placeholders; or the target of a relative Markdown link. It may be
relative to the document or to the root. Absolute paths are a user's machine and are not checked.
"""
import os
import re
import subprocess
import sys
import tempfile

ENDING = re.compile(r"\.(h|cc|c|proto|md|sh|py|yaml|yml|json|service|socket|txt|cmake|rules)$")
BACKTICK = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PLACEHOLDER = re.compile(r"[A-Z<>*$…{}~=:]|^-|^/|^\d")
# Words with a slash or an ending that are no files of the tree.
TREE = {"proto", "base", "server", "hostagent", "client", "deploy", "tests", ".ci"}
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


def documents(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "*.md"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.split()
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [n for n in names if n not in ("build", ".git")]
        found += [os.path.relpath(os.path.join(directory, f), root) for f in files if f.endswith(".md")]
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
                bases = [root, os.path.dirname(os.path.join(root, document))]
                # `name.{h,cc}` names both.
                if not any(os.path.exists(os.path.join(base, name)) for base in bases):
                    found.append(f"{document}:{number}: names `{name}`, which does not exist")
    if checked < 10:
        found.append(f"{root}: only {checked} names found in the documents; is this the root?")
    return found


def main():
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        with tempfile.TemporaryDirectory() as copy:
            os.makedirs(os.path.join(copy, "base"))
            open(os.path.join(copy, "base", "x.h"), "w").close()
            with open(os.path.join(copy, "README.md"), "w", encoding="utf-8") as f:
                f.write("`base/x.h`\n" * 12 + "`base/gone.h` and [a link](nowhere.md)\n")
            found = offences(copy)
        if len(found) != 2:
            sys.exit(f"readme_test: expected two offences in the prepared document, found {found}")
        print("readme_test: injected wrong names found")
        return
    found = offences(root)
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    print("readme_test: every file the documents name exists")


main()

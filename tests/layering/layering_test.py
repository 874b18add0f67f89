#!/usr/bin/env python3
"""Checks who includes whom, that rooms stay small and are described, and that tests mirror them.

  layering_test.py ROOT              exit 1 and one line per offence
  layering_test.py ROOT --self-test  copies the tree, injects offences, expects each to be found

The rules are those of CONTRIBUTING.md: the two tables under "Directory layout" say what a folder and a
room may include, and rooms must not include each other in a circle; a list says which files may include
gRPC, themselves or by a header of ours; another says which classes of other rooms a room may name. A room is
a folder below a top folder, or the files of a top folder itself where the table of rooms has a row for them.
Elsewhere these put the rooms together and may include all of them. x_test.cc lies in the room of x.h or x.cc
below tests/; any other test of a top folder lies in one of its rooms, or in none.
"""
import fnmatch
import os
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
from include_lines import include_lines, without_comments  # noqa: E402
from injections import ENDINGS, INJECTIONS, MISPLACED, NEVER, PROTOS, TABLES  # noqa: E402

GRPC = re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$")
SOURCE = (".h", ".cc", ".c", ".proto")
# What lies beside sources in the folders of the programs.
NO_SOURCE = ("CMakeLists.txt", "README.md")
# Other endings that a compiler may be given.
FOREIGN = re.compile(r"\.(c\+\+|cp|cpp|cppm|cxx|def|h\+\+|hh|hpp|hxx|inc|inl|ipp|ixx|m|mm|s|tcc|tpp|C|H|S)$")
NO_PROGRAM = ("tests", "deploy", "docs", "build")
DECLARED = re.compile(r"^(?:class|struct|enum|enum class)\s+(\w+)\s*(?::\s*\w+\s*)?;", re.M)
DEFINED = re.compile(r"^(?:class|struct|enum|enum class)\s+(\w+)(?:\s+final)?\s*(?::[^;{]*)?\{", re.M)
# Few enough to read the listing aloud; leveldb's largest folder has 44 files.
MOST_FILE_PAIRS = 25

# --- to be emptied: what still stands against the rules ---------------------------------------------
# (file, header it includes). One that no longer exists is an offence, too, so that the list only shrinks.
STANDING = []
# Top folders whose README does not describe its rooms yet.
STANDING_READMES = []
# ------------------------------------------------------------------------------------------------------


class Rules:
    """What CONTRIBUTING.md says."""

    def __init__(self, root):
        with open(os.path.join(root, "CONTRIBUTING.md"), encoding="utf-8") as f:
            text = f.read()
        layout = section(text, "## Directory layout")
        # Folder or room, without the slash at its end -> what it may include: folders, files, patterns.
        self.may_include, self.rooms = {}, set()
        folders, rooms = re.split(r"\n\| room \|", layout, maxsplit=1)
        for part, line in [(part, line) for part in (folders, rooms) for line in part.splitlines()]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            names = re.findall(r"`([a-z0-9_./]+)/`", cells[0])
            if line.startswith("|") and len(cells) >= 2 and names:
                targets = re.findall(r"`([^`]+)`", cells[-1])
                self.may_include.update({name: targets for name in names})
                self.rooms.update(names if part is rooms else [])
        self.tops = [name for name in self.may_include if "/" not in name and name not in NO_PROGRAM]
        self.grpc = set(re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)+\.(?:h|cc))`",
                                   section(text, "### Files that may include gRPC")))
        # (class, room)
        self.names = set(re.findall(r"`(\w+)` in `([a-z0-9_/]+)/`", layout))

    def allows(self, room, target):
        """Whether a file in this folder may include this header, by its own folder's row."""
        return any(matches(entry, target) for entry in self.may_include.get(room, []))


def matches(entry, target):
    if entry.endswith("/"):
        return target.startswith(entry)
    return fnmatch.fnmatchcase(target, entry) and target.count("/") == entry.count("/")


def section(text, heading):
    parts = text.split("\n" + heading + "\n", 1)
    if len(parts) != 2:
        sys.exit(f"CONTRIBUTING.md: no section '{heading}'")
    return re.split(r"\n#{1,%d} " % len(heading.split()[0]), parts[1], maxsplit=1)[0]


def sources(root, tops):
    for top in tops:
        for directory, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith(SOURCE):
                    yield top, os.path.relpath(os.path.join(directory, name), root)


def fault_of_edge(rules, ends, top, path, target):
    """What is wrong with this include, or None."""
    other = target.split("/", 1)[0]
    if top == "tests":
        if other in rules.tops and not rules.allows(top, target):
            return f"tests/ may not include {target}"
        return None
    if path not in rules.grpc and (GRPC.search(target) or target in rules.grpc):
        return f"{target}: gRPC is for the files that CONTRIBUTING.md lists"
    if other in NO_PROGRAM:
        return f"{target}: {other}/ is no part of a program"
    if other not in rules.tops:
        # By a folder of ours that a compiler is given, or beside this file.
        return f"include from the root, not '{target}'" if target in ends else None
    return fault_of_arrow(rules, top, path, target)


def ends_of_headers(root, rules):
    """The names of our headers without the folders that they begin with, one or more."""
    return {path.split("/", depth)[-1] for _, path in sources(root, rules.tops) if path.endswith(".h")
            for depth in range(1, path.count("/") + 1)}


def fault_of_arrow(rules, top, path, target):
    if not target.endswith((".h", ".proto")):
        return f"{target} is no header"
    room, other_room = os.path.dirname(path), os.path.dirname(target)
    if room == other_room or (room == top and room not in rules.rooms and target.startswith(f"{top}/")):
        return None
    # The row of a room counts; a top folder's own files, and folders without rooms, go by their folder's.
    return None if rules.allows(room, target) else f"{room}/ may not include {target}"


def unread_files(root, rules):
    """Files that this test does not read, and that could include something."""
    for top in rules.tops + ["tests"]:
        for directory, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(directory, name), root)
                if FOREIGN.search(name) or (top != "tests" and not name.endswith(SOURCE) and name not in NO_SOURCE):
                    yield f"{path}: neither {', '.join(SOURCE)} nor {', '.join(NO_SOURCE)}"


class Facts:
    """What a source file says of others."""

    known = {}

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            text = without_comments(f.read())
        self.includes = list(include_lines(path, text))
        self.defines = DEFINED.findall(text) if path.endswith(".h") else []
        # The classes of ours that it names, maybe without their header.
        self.declares = [match.group(1) for match in DECLARED.finditer(text) if is_ours(text[:match.start()])]

    @classmethod
    def of(cls, root, path):
        path = os.path.join(root, path)
        if path not in cls.known:
            cls.known[path] = cls(path)
        return cls.known[path]


def is_ours(before):
    """Whether what follows this text is in our namespace, or in none."""
    spaces = re.findall(r"^(?:inline )?namespace ?(.*?) ?\{", before, re.M)
    return not spaces or spaces[-1] == "" or spaces[-1].startswith("entropyd")


def named_classes(root, rules):
    """A class of a room that the row does not allow, declared rather than included: an arrow, too."""
    homes, names, found, used = {}, [], [], set()
    for top, path in sources(root, rules.tops):
        for name in Facts.of(root, path).defines:
            homes.setdefault(name, set()).add(path)
        names += [(top, path, name) for name in Facts.of(root, path).declares]
    for top, path, name in names:
        home, room = homes.get(name, set()), os.path.dirname(path)
        if not home or any(fault_of_arrow(rules, top, path, header) is None for header in home):
            continue
        if (name, room) in rules.names:
            used.add((name, room))
        else:
            found.append(f"{path}: names {name} of {os.path.dirname(min(home))}/, which {room}/ may not include")
    return found + [f"CONTRIBUTING.md: lists {name} in {room}/, which is not there"
                    for name, room in sorted(rules.names - used)]


def offences(root, standing, standing_readmes):
    rules = Rules(root)
    found, seen, pairs, used, with_grpc, ends = [], set(), {}, {}, set(), ends_of_headers(root, rules)
    for top, path in sources(root, rules.tops + ["tests"]):
        pairs.setdefault(os.path.dirname(path), set()).add(os.path.splitext(path)[0])
        if top != "tests" and os.path.splitext(path)[0].endswith("_test"):
            found.append(f"{path}: ends in _test, and is no test")
        if top != "tests" and os.path.dirname(path) not in rules.may_include:
            found.append(f"{path}: {os.path.dirname(path)}/ has no row in CONTRIBUTING.md")
        for number, target, fault in Facts.of(root, path).includes:
            if not fault:
                used.setdefault(os.path.dirname(path), set()).add(target)
                with_grpc.update([path] if GRPC.search(target) or target in rules.grpc else [])
                fault = fault_of_edge(rules, ends, top, path, target)
            if fault and (path, target) in standing:
                seen.add((path, target))
            elif fault:
                found.append(f"{path}:{number}: {fault}")
    found += [f"{path}: no longer includes {target}; take that out of STANDING"
              for path, target in standing if (path, target) not in seen]
    found += [f"{folder}/: {len(stems)} file pairs, more than {MOST_FILE_PAIRS}: another room moved in"
              for folder, stems in pairs.items() if len(stems) > MOST_FILE_PAIRS]
    found += unread_files(root, rules)
    found += named_classes(root, rules)
    found += undescribed_rooms(root, rules, pairs, standing_readmes)
    found += unused_arrows(rules, used)
    found += misplaced_tests(root, rules)
    found += circles(rules)
    found += never(rules, pairs)
    if sum(len(stems) for stems in pairs.values()) < 20:
        found.append(f"{root}: few source files seen; is this the project's root?")
    found += untrue_lists(root, rules, with_grpc)
    return found


def untrue_lists(root, rules, with_grpc):
    """What CONTRIBUTING.md lists, and what is not there."""
    found = [f"CONTRIBUTING.md: lists {path}, which does not exist"
             for path in sorted(rules.grpc) if not os.path.exists(os.path.join(root, path))]
    found += [f"CONTRIBUTING.md: lists {path}, which includes none of gRPC"
              for path in sorted(rules.grpc - with_grpc) if os.path.exists(os.path.join(root, path))]
    return found + [f"CONTRIBUTING.md: has a row for {room}/, which does not exist"
                    for room in rules.may_include if not os.path.isdir(os.path.join(root, room))]


def headers(pairs, rules):
    """The headers of each room."""
    return {room: sorted(f"{stem}.h" for stem in stems) for room, stems in pairs.items()
            if room.split("/", 1)[0] in rules.tops and room != "proto"}


def never(rules, pairs):
    """What the table allows although it must never be."""
    found = set()
    for who, what, but in NEVER:
        for room in fnmatch.filter(sorted(rules.rooms), who):
            for other, names in headers(pairs, rules).items():
                if other == room or other in but or not any(fnmatch.fnmatchcase(other, one) for one in what):
                    continue
                found.update(f"CONTRIBUTING.md: {room}/ may include {name}: that must never be"
                             for name in names if rules.allows(room, name))
    return sorted(found)


def unused_arrows(rules, used):
    """What the row of a room allows, and no file of the room includes: the table says what is so."""
    return [f"CONTRIBUTING.md: {room}/ may include {entry}, and does not"
            for room, entries in rules.may_include.items() if room in rules.rooms
            for entry in entries if not any(matches(entry, target) for target in used.get(room, []))]


def misplaced_tests(root, rules):
    """Tests that a reader would not look for where they are."""
    homes, rooms, found = {}, set(rules.tops), []
    for _, path in sources(root, rules.tops):
        rooms.add(os.path.dirname(path))
        stem, ending = os.path.splitext(os.path.basename(path))
        if ending != ".proto":
            homes.setdefault(stem, set()).add(os.path.dirname(path))
    for _, path in sources(root, [os.path.join("tests", top) for top in rules.tops]):
        if not path.endswith("_test.cc"):
            continue
        room, stem = os.path.dirname(path)[len("tests/"):], os.path.basename(path)[:-len("_test.cc")]
        if room not in rooms:
            found.append(f"{path}: there is no {room}/; a test lies in the room of what it tests")
        elif room not in homes.get(stem, {room}):
            found.append(f"{path}: has the name of a file in {'/, '.join(sorted(homes[stem]))}/; "
                         "move it to that room, or give it another name")
    return found


def rooms_of(rules, room, entry):
    """The other rooms that this entry of the room's row leads to."""
    folder = entry[:-1] if entry.endswith("/") else os.path.dirname(entry)
    if entry.endswith("/") and folder in rules.tops:
        return {other for other in rules.rooms if f"{other}/".startswith(entry) and other != room}
    return {folder} if folder in rules.rooms else set()


def circles(rules):
    """Rooms that may include each other, by whatever way round: none of them can be read or used alone."""
    leads = {room: set().union(*(rooms_of(rules, room, entry) for entry in entries))
             for room, entries in rules.may_include.items() if room in rules.rooms}
    found, told = [], set()
    for start in sorted(leads):
        way = way_back(leads, start)
        if way and not told.intersection(way):
            told.update(way)
            found.append("CONTRIBUTING.md: a circle: " + " -> ".join(f"{room}/" for room in way))
    return found


def way_back(leads, start):
    """The shortest way from a room to itself, or None."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop(0)
        for room in sorted(leads[way[-1]]):
            if room == start:
                return way + [start]
            if room not in seen:
                seen.add(room)
                ways.append(way + [room])
    return None


def undescribed_rooms(root, rules, pairs, standing_readmes):
    """The README of a top folder has a bullet, a heading or a row that names each of its rooms."""
    found, complete = [], {top: True for top in standing_readmes}
    for room in sorted(pairs):
        top, _, inner = room.partition("/")
        if top not in rules.tops or not inner:
            continue
        try:
            with open(os.path.join(root, top, "README.md"), encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            text = ""
        if re.search(rf"^\s*(?:[*-]|#+|\|).*`{room}/`", text, re.M):
            continue
        complete[top] = False
        if top not in standing_readmes:
            found.append(f"{top}/README.md: says nothing of `{room}/`")
    return found + [f"{top}/README.md: names every room; take it out of STANDING_READMES"
                    for top in standing_readmes if complete[top]]


class Copy:
    """A copy of the tree, into which offences are injected."""

    def __init__(self, root, folder):
        self.root, self.found = folder, 0
        for name in Rules(root).tops + ["tests", "deploy"]:
            shutil.copytree(os.path.join(root, name), os.path.join(folder, name))
        shutil.copy(os.path.join(root, "CONTRIBUTING.md"), folder)
        os.makedirs(os.path.join(folder, "docs"))
        before = self.look({})
        if before:
            sys.exit(f"layering_test: nothing injected, and found {before}")

    def look(self, files, standing=STANDING, readmes=STANDING_READMES):
        """What is found while these files are there; a text for each path."""
        paths = {os.path.join(self.root, path): text for path, text in files.items()}
        for path, text in paths.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text + "\n")
            Facts.known.pop(path, None)
        found = offences(self.root, standing, readmes)
        for path in paths:
            os.remove(path)
            Facts.known.pop(path, None)
        return found

    def expect(self, what, said, path, text, **lists):
        self.judge(what, said, self.look({path: text}, **lists))

    def judge(self, what, said, found):
        """`found` must say it; None: must be empty."""
        if found if said is None else not any(said in o for o in found):
            sys.exit(f"layering_test: {what}: expected {said!r}, found {found}")
        self.found += said is not None

    def expect_each(self, files):
        """(path, text, what must be said of this path, or None), all at the same time."""
        found = self.look({path: text for path, text, _ in files})
        for path, text, said in files:
            self.judge(f"{text!r} in {path}", said, [o for o in found if o.startswith(f"{path}:")])

    def expect_forbidden(self, rules, pairs):
        """Every header of another room that the room's row does not allow."""
        wrong = {room: [name for other, names in headers(pairs, rules).items() if other != room
                        for name in names if not rules.allows(room, name)] for room in rules.rooms}
        found = self.look({f"{room}/injected.h": "\n".join(f'#include "{name}"' for name in names)
                           for room, names in wrong.items()})
        said = {tuple(re.findall(r"^(.*)/injected\.h:\d+:.*?([a-z0-9_/]+\.h)\b", o)) for o in found}
        for room, names in wrong.items():
            for name in names:
                if ((room, name),) not in said:
                    sys.exit(f"layering_test: {room}/ may include {name}, and the table does not say so")
                self.found += 1


def self_test(root):
    rules = Rules(root)
    pairs = {}
    for _, path in sources(root, rules.tops):
        if path.endswith(".h"):
            pairs.setdefault(os.path.dirname(path), set()).add(path[:-len(".h")])
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(root, folder)
        copy.expect_each([(f"{room}/injected{number}.h", text, said)
                          for number, (room, text, said) in enumerate(INJECTIONS)])
        copy.expect_each([(f"proto/injected{number}.proto", text, said) for number, (text, said) in enumerate(PROTOS)])
        copy.expect_each([(path, "", "neither") for path in ENDINGS])
        copy.expect_each([(path, "", said) for path, said in MISPLACED.items()])
        copy.expect_each([("server/health/injected_test.h", "", "ends in _test")])
        copy.expect("a standing edge that is gone", "take that out of STANDING", "base/config/injected.h", "",
                    standing=STANDING + [("base/config/injected.h", "server/server.h")])
        copy.expect("a room that no README names", "says nothing of `server/new_room/`", "server/new_room/x.h", "",
                    readmes=[])
        copy.expect_forbidden(rules, pairs)
        inject_tables(copy)
        for number in range(MOST_FILE_PAIRS + 1):
            open(os.path.join(folder, f"server/access/injected{number}.h"), "w", encoding="utf-8").close()
        copy.expect("too large a room", "server/access/: ", "server/access/injected.h", "")
        print(f"layering_test: {copy.found} injected offences found")


def inject_tables(copy):
    """Offences that are strokes in CONTRIBUTING.md."""
    table = os.path.join(copy.root, "CONTRIBUTING.md")
    with open(table, encoding="utf-8") as f:
        text = f.read()
    for what, said, path, line, row, other in TABLES:
        if text.count(row) != 1:
            sys.exit(f"layering_test: {what}: CONTRIBUTING.md has not once {row!r}")
        with open(table, "w", encoding="utf-8") as f:
            f.write(text.replace(row, other))
        copy.expect(what, said, path, line)
    with open(table, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        self_test(root)
        return
    found = offences(root, STANDING, STANDING_READMES)
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    standing = f"; {len(STANDING)} includes still to be mended" if STANDING else ""
    print(f"layering_test: every include is in the table, everything in it is used, tests mirror rooms{standing}")


main()

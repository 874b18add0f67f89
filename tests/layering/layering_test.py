#!/usr/bin/env python3
"""Checks who includes whom, that rooms stay small and are described, and that tests mirror them.

  layering_test.py ROOT              exit 1 and one line per offence
  layering_test.py ROOT --self-test  copies the tree, injects offences, expects each to be found

The rules are those of CONTRIBUTING.md: the two tables under "Directory layout" say what a folder and a
room may include, and rooms must not include each other in a circle; a list says which files may include
gRPC. A room is a folder below a top folder. The files of a top folder itself put its rooms together and may
include all of them. x_test.cc lies in the room of x.h or x.cc below tests/; any other test of a top folder
lies in one of its rooms, or in none.
"""
import fnmatch
import os
import re
import shutil
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')
IMPORT = re.compile(r'^\s*import\s+"([^"]+)"')
GRPC = re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$")
SOURCE = (".h", ".cc", ".c", ".proto")
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
        self.may_include = {}
        for line in layout.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            names = re.findall(r"`([a-z_./]+)/`", cells[0])
            if line.startswith("|") and len(cells) >= 2 and names:
                targets = re.findall(r"`([^`]+)`", cells[-1])
                for name in names:
                    self.may_include[name] = targets
        self.tops = [name for name in self.may_include if "/" not in name and name not in ("tests", "deploy", "docs")]
        self.grpc = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.(?:h|cc))`",
                                   section(text, "### Files that may include gRPC")))

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


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = INCLUDE.match(line) or (IMPORT.match(line) if path.endswith(".proto") else None)
            if match:
                yield number, match.group(1)


def fault_of_edge(rules, top, path, target):
    """What is wrong with this include, or None."""
    if target.startswith(".."):
        return f"include from the root, not '{target}'"
    if GRPC.search(target) and path not in rules.grpc and top != "tests":
        return f"{target}: gRPC is for the files that CONTRIBUTING.md lists"
    other = target.split("/", 1)[0]
    if other not in rules.tops:
        return None
    room, other_room = os.path.dirname(path), os.path.dirname(target)
    # The row of a room counts; a top folder's own files, and folders without rooms, go by their folder's.
    if other == top and (room == other_room or room == top or top == "tests"):
        return None
    if room not in rules.may_include and room != top and top != "tests":
        return f"{room}/ has no row in CONTRIBUTING.md"
    if rules.allows(room if top != "tests" else top, target):
        return None
    return f"{room if top != 'tests' else top}/ may not include {target}"


def offences(root, standing, standing_readmes):
    rules = Rules(root)
    found, seen, pairs, used = [], set(), {}, {}
    for top, path in sources(root, rules.tops + ["tests"]):
        pairs.setdefault(os.path.dirname(path), set()).add(os.path.splitext(path)[0])
        if top != "tests" and os.path.splitext(path)[0].endswith("_test"):
            found.append(f"{path}: ends in _test, and is no test")
        for number, target in includes(root, path):
            used.setdefault(os.path.dirname(path), set()).add(target)
            fault = fault_of_edge(rules, top, path, target)
            if fault and (path, target) in standing:
                seen.add((path, target))
            elif fault:
                found.append(f"{path}:{number}: {fault}")
    found += [f"{path}: no longer includes {target}; take that out of STANDING"
              for path, target in standing if (path, target) not in seen]
    found += [f"{folder}/: {len(stems)} file pairs, more than {MOST_FILE_PAIRS}: another room moved in"
              for folder, stems in pairs.items() if len(stems) > MOST_FILE_PAIRS]
    found += undescribed_rooms(root, rules, pairs, standing_readmes)
    found += unused_arrows(rules, used)
    found += misplaced_tests(root, rules)
    found += circles(rules)
    if sum(len(stems) for stems in pairs.values()) < 20:
        found.append(f"{root}: few source files seen; is this the project's root?")
    found += [f"CONTRIBUTING.md: lists {path}, which does not exist"
              for path in sorted(rules.grpc) if not os.path.exists(os.path.join(root, path))]
    found += [f"CONTRIBUTING.md: has a row for {room}/, which does not exist"
              for room in rules.may_include if not os.path.isdir(os.path.join(root, room))]
    return found


def unused_arrows(rules, used):
    """What the row of a room allows, and no file of the room includes: the table says what is so."""
    return [f"CONTRIBUTING.md: {room}/ may include {entry}, and does not"
            for room, entries in rules.may_include.items() if "/" in room
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
        return {other for other in rules.may_include if other.startswith(entry) and other != room}
    return {folder} if "/" in folder and folder in rules.may_include else set()


def circles(rules):
    """Rooms that may include each other, by whatever way round: none of them can be read or used alone."""
    leads = {room: set().union(*(rooms_of(rules, room, entry) for entry in entries))
             for room, entries in rules.may_include.items() if "/" in room}
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


# (new file, its line, what must be said): arrows that must never be. They are written here once more, so
# that nobody allows one by a stroke in the table.
INJECTIONS = [
    # between top folders
    ("base/process", '#include "server/pool/pool.h"', "may not include server/pool/pool.h"),
    ("base/wire", '#include "client/entropy_stream.h"', "may not include client/"),
    ("client", '#include "hostagent/upstream/upstream.h"', "may not include hostagent/"),
    ("server/pool", '#include "client/entropy_stream.h"', "may not include client/"),
    ("hostagent/serving", '#include "server/pool/pool.h"', "may not include server/"),
    ("base/process", '#include "grpcpp/grpcpp.h"', "gRPC is for the files"),
    ("base/process", '#include "../config/units.h"', "include from the root"),
    # within base/ and client/
    ("base/class_tree", '#include "base/process/clock.h"', "may not include base/process/"),
    ("base/class_tree", '#include "base/config/units.h"', "may not include base/config/"),
    ("client", '#include "client/show/table.h"', None),
    ("client/process", '#include "client/show/table.h"', "may not include client/show/table.h"),
    # within server/
    ("server/source", '#include "server/pool/pool.h"', "may not include server/pool/"),
    ("server/source", '#include "server/dispatch/mailbox.h"', "may not include server/dispatch/"),
    ("server/pool", '#include "server/dispatch/mailbox.h"', "may not include server/dispatch/"),
    ("server/dispatch", '#include "server/attach/session.h"', "may not include server/attach/"),
    ("server/dispatch", '#include "server/rpc/attach_service.h"', "may not include server/rpc/"),
    ("server/dispatch", '#include "server/access/gate.h"', "may not include server/access/"),
    ("server/attach", '#include "server/rpc/attach_service.h"', "may not include server/rpc/"),
    ("server/health", '#include "server/source/source.h"', "may not include server/source/"),
    ("server/dispatch", "#include <grpcpp/grpcpp.h>", "gRPC is for the files"),
    ("server/pool", '#include "server/server.h"', "may not include server/server.h"),
    # within hostagent/
    ("hostagent/serving", '#include "hostagent/guest/connection.h"', "may not include hostagent/guest/"),
    ("hostagent/serving", '#include "hostagent/endpoint/peer.h"', "may not include hostagent/endpoint/"),
    ("hostagent/serving", '#include "hostagent/upstream/upstream.h"', "may not include hostagent/upstream/"),
    ("hostagent/serving", '#include "hostagent/identity/guest_identity.h"',
     "may not include hostagent/identity/"),
    ("hostagent/upstream", '#include "hostagent/guest/connection.h"', "may not include hostagent/guest/"),
    ("hostagent/upstream", '#include "hostagent/endpoint/peer.h"', "may not include hostagent/endpoint/"),
    ("hostagent/upstream", '#include "hostagent/agent.h"', "may not include hostagent/agent.h"),
    ("hostagent/identity", '#include "hostagent/guest/connection.h"', "may not include hostagent/guest/"),
    ("hostagent/guest", '#include "hostagent/handover/successor.h"', "may not include hostagent/handover/"),
    ("hostagent/serving", '#include "hostagent/handover/successor.h"',
     "may not include hostagent/handover/"),
    ("hostagent/endpoint", '#include "hostagent/control/control_server.h"',
     "may not include hostagent/control/"),
    ("hostagent/handover", '#include "hostagent/control/control_server.h"',
     "may not include hostagent/control/"),
    ("hostagent/upstream", '#include "client/show/table.h"', "may not include client/show/table.h"),
    ("hostagent", '#include "client/pki/pki.h"', "may not include client/pki/"),
    ("hostagent/guest", "#include <grpcpp/grpcpp.h>", "gRPC is for the files"),
    ("server/new_room", '#include "base/process/clock.h"', "has no row in CONTRIBUTING.md"),
]

# (what, what must be said, new file, its line, a row of the table, what stands there instead)
TABLES = [
    ("an arrow that nobody uses", "base/text/ may include base/wire/, and does not", "server/health/injected.h", "",
     "| `base/text/` | nothing |", "| `base/text/` | `base/wire/` |"),
    ("two rooms that include each other", "a circle: base/telemetry/ -> base/text/ -> base/telemetry/",
     "base/text/injected.h", '#include "base/telemetry/log.h"', "| `base/text/` | nothing |",
     "| `base/text/` | `base/telemetry/` |"),
    ("three rooms in a circle, by one header",
     "a circle: server/attach/ -> server/dispatch/ -> server/classes/ -> server/attach/", "server/classes/injected.h",
     '#include "server/attach/session.h"', "| `server/classes/` | `proto/` `base/` |",
     "| `server/classes/` | `proto/` `base/` `server/attach/session.h` |"),
    ("a room that may include the whole folder, and one of that folder", "a circle: client/ctl/ -> client/show/",
     "client/show/injected.h", '#include "client/ctl/commands.h"', "| `client/show/` | `proto/` `base/` |",
     "| `client/show/` | `proto/` `base/` `client/ctl/commands.h` |"),
]


# Tests by their path, and what must be said of them; None: nothing.
MISPLACED = {
    "tests/server/new_room/injected_test.cc": "there is no server/new_room/",
    "tests/server/pool/gate_test.cc": "has the name of a file in server/access/",
    "tests/server/gate_test.cc": "has the name of a file in server/access/",
    "tests/server/pool/server_test.cc": "has the name of a file in server/;",
    "tests/client/fair_queue_test.cc": "has the name of a file in hostagent/serving/",
    "tests/server/access/gate_test.cc": None,
    "tests/server/pool/injected_test.cc": None,
    "tests/server/injected_test.cc": None,
    "tests/server/pool/fake_gate.h": None,
    "tests/fuzz/gate_test.cc": None,
}


def self_test(root):
    rules = Rules(root)
    with tempfile.TemporaryDirectory() as copy:
        for folder in rules.tops + ["tests", "deploy"]:
            shutil.copytree(os.path.join(root, folder), os.path.join(copy, folder))
        shutil.copy(os.path.join(root, "CONTRIBUTING.md"), copy)

        def expect(what, said, path, text, standing=STANDING, readmes=STANDING_READMES):
            target = os.path.join(copy, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as f:
                f.write(text + "\n")
            found = offences(copy, standing, readmes)
            os.remove(target)
            hits = [o for o in found if said is not None and said in o]
            if (said is None and any(o.startswith(path) for o in found)) or (said is not None and not hits):
                sys.exit(f"layering_test: {what}: expected {said!r}, found {found}")

        for room, line, said in INJECTIONS:
            expect(f"injected {line!r} into {room}/", said, f"{room}/injected.h", line)
        expect("an import", "proto/ may not include server/", "proto/injected.proto", 'import "server/x.proto";')
        expect("a product file", "ends in _test", "server/health/injected_test.h", "")
        expect("a standing edge that is gone", "take that out of STANDING", "base/config/injected.h", "",
               STANDING + [("base/config/injected.h", "server/server.h")])
        expect("a room that no README names", "says nothing of `server/new_room/`", "server/new_room/x.h", "",
               STANDING, [])
        for path, said in MISPLACED.items():
            expect(f"the test {path}", said, path, "")
        for number in range(MOST_FILE_PAIRS + 1):
            open(os.path.join(copy, f"server/access/injected{number}.h"), "w", encoding="utf-8").close()
        expect("too large a room", "server/access/: ", "server/access/injected.h", "")
        table = os.path.join(copy, "CONTRIBUTING.md")
        with open(table, encoding="utf-8") as f:
            text = f.read()
        for what, said, path, line, row, other in TABLES:
            if text.count(row) != 1:
                sys.exit(f"layering_test: {what}: CONTRIBUTING.md has not the row {row!r}")
            with open(table, "w", encoding="utf-8") as f:
                f.write(text.replace(row, other))
            expect(what, said, path, line)
    print(f"layering_test: {len(INJECTIONS) + len(MISPLACED) + 5 + len(TABLES)} injected offences found")


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

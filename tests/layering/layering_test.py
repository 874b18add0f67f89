#!/usr/bin/env python3
"""Checks who includes whom.

  layering_test.py ROOT              exit 1 and one line per offence
  layering_test.py ROOT --self-test  copies the tree, injects offences, expects each to be found
"""
import os
import re
import shutil
import sys
import tempfile

# Folder -> folders whose headers it may include. Nobody notices the first edge that points up.
EDGES = {
    "proto": set(),
    "base": {"proto"},
    "client": {"base", "proto"},
    "server": {"base", "proto"},
    "hostagent": {"client", "base", "proto"},
    "tests": {"proto", "base", "client", "server", "hostagent"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')
IMPORT = re.compile(r'^\s*import\s+"([^"]+)"')
GRPC = re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$")


def sources(root):
    for folder in EDGES:
        for directory, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith((".h", ".cc", ".c", ".proto")):
                    yield folder, os.path.join(directory, name)


def grpc_adapters(root):
    """The files that may include gRPC: CONTRIBUTING.md lists them, one `path` a line."""
    with open(os.path.join(root, "CONTRIBUTING.md"), encoding="utf-8") as f:
        text = f.read()
    section = text.split("### Files that may include gRPC", 1)
    if len(section) != 2:
        sys.exit("CONTRIBUTING.md: no section 'Files that may include gRPC'")
    return set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.(?:h|cc))`", section[1].split("\n#", 1)[0]))


def offences(root):
    adapters = grpc_adapters(root)
    found = []
    seen_files = 0
    for folder, path in sources(root):
        seen_files += 1
        relative = os.path.relpath(path, root)
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                match = INCLUDE.match(line) or (IMPORT.match(line) if path.endswith(".proto") else None)
                if not match:
                    continue
                target = match.group(1)
                where = f"{relative}:{number}"
                top = target.split("/", 1)[0]
                if top in EDGES and top != folder and top not in EDGES[folder]:
                    found.append(f"{where}: {folder}/ may not include {target}")
                if target.startswith(".."):
                    found.append(f"{where}: include from the root, not '{target}'")
                if GRPC.search(target) and folder != "tests" and relative not in adapters:
                    found.append(f"{where}: {target}: gRPC is for the adapters that CONTRIBUTING.md lists")
    if seen_files < 20:
        found.append(f"{root}: only {seen_files} source files seen; is this the project's root?")
    for adapter in sorted(adapters):
        if not os.path.exists(os.path.join(root, adapter)):
            found.append(f"CONTRIBUTING.md: lists {adapter}, which does not exist")
    return found


INJECTIONS = [
    ("base/process/clock.h", '#include "server/pool/pool.h"', "base/ may not include server/pool/pool.h"),
    ("base/wire/egd.cc", '#include "client/entropy_stream.h"', "base/ may not include client/"),
    ("client/entropy_stream.h", '#include "hostagent/upstream/upstream.h"', "client/ may not include hostagent/"),
    ("server/pool/pool.h", '#include "client/entropy_stream.h"', "server/ may not include client/"),
    ("hostagent/serving/class_buffer.h", '#include "server/pool/pool.h"', "hostagent/ may not include server/"),
    ("base/process/fd.h", '#include "grpcpp/grpcpp.h"', "gRPC is for the adapters"),
    ("proto/entropy.proto", 'import "server/pool.proto";', "proto/ may not include server/"),
]


def self_test(root):
    with tempfile.TemporaryDirectory() as copy:
        for folder in EDGES:
            shutil.copytree(os.path.join(root, folder), os.path.join(copy, folder))
        shutil.copy(os.path.join(root, "CONTRIBUTING.md"), copy)
        for path, line, expected in INJECTIONS:
            target = os.path.join(copy, path)
            with open(target, encoding="utf-8") as f:
                original = f.read()
            with open(target, "a", encoding="utf-8") as f:
                f.write("\n" + line + "\n")
            found = [o for o in offences(copy) if expected in o and o.startswith(path)]
            with open(target, "w", encoding="utf-8") as f:
                f.write(original)
            if not found:
                sys.exit(f"layering_test: injected {line!r} into {path}: not found")
    print(f"layering_test: {len(INJECTIONS)} injected offences found")


def main():
    root = sys.argv[1]
    if "--self-test" in sys.argv:
        self_test(root)
        return
    found = offences(root)
    for offence in found:
        print(offence)
    if found:
        sys.exit(1)
    print("layering_test: every include points down")


main()

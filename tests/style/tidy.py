#!/usr/bin/env python3
"""Runs clang-tidy with the profile that is checked in (.clang-tidy) on the product's files.

  tidy.py ROOT              all files of base, client, server and hostagent
  tidy.py ROOT changed      those that differ from where the branch left main (on main: from the commit
                            before), committed or not, and those whose headers do
  tidy.py ROOT sample       about SAMPLE files: first those that changed, then those of some rooms; the commit
                            chooses both, so they are other ones for each change
  tidy.py ROOT --self-test  a file with an offence must be found

Most of the time goes into the headers of libraries, which every file includes. So the files of a room are
read as one, and as single files only where two of them use one name for two things.

Configures build/tidy for clang, and builds no more there than precompiled headers and what protoc writes.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

TOPS = ("base", "client", "server", "hostagent")
# Each version has more checks than the one before: what counts is that of Debian 12.
VERSION = 14
# So many files, or a few more, make a sample.
SAMPLE = 30
# A unit of files includes .cc files on purpose.
UNIT_CHECKS = "-bugprone-suspicious-include"


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", **more)


def demand(command, cwd):
    done = run(command, cwd=cwd)
    if done.returncode != 0:
        sys.exit(f"tidy: {shlex.join(command)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def configure(root):
    """The compile commands by file, relative to the root."""
    build = os.path.join(root, "build/tidy")
    demand(["cmake", "--preset", "clang", "-B", build, "-DENTROPYD_TESTS=OFF",
            "-DCMAKE_CXX_COMPILER_LAUNCHER="], root)
    targets = demand(["ninja", "-C", build, "-t", "targets", "all"], root)
    needed = re.findall(r"^(\S+(?:\.pb\.h|cmake_pch\.hxx\.pch)):", targets, re.M)
    demand(["ninja", "-C", build, *needed], root)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    commands = {}
    for entry in entries:
        path = os.path.relpath(entry["file"], root)
        if path.split("/", 1)[0] in TOPS and path.endswith(".cc"):
            commands[path] = entry
    return commands


def arguments(entry):
    """The compiler's arguments without input and output."""
    words = shlex.split(entry["command"])
    for option in ("-o", "-c"):
        if option in words:
            at = words.index(option)
            del words[at:at + 2]
    return words[1:]


def tidy(root, entry, path, extra):
    """clang-tidy of one file: (what it says, whether there are offences)."""
    command = ["clang-tidy", "--quiet", "--config-file=" + os.path.join(root, ".clang-tidy"), *extra, path, "--",
               *arguments(entry)]
    done = run(command, cwd=entry["directory"])
    return done.stdout, done.returncode != 0


def check_room(root, commands, folder, paths):
    """Offences in some files of a room, as clang-tidy prints them, and whether they were read as one."""
    with tempfile.TemporaryDirectory() as scratch:
        if len(paths) > 1:
            unit = os.path.join(scratch, "room.cc")
            with open(unit, "w", encoding="utf-8") as f:
                f.writelines(f'#include "{path}"\n' for path in paths)
            said, bad = tidy(root, commands[paths[0]], unit, ["--checks=" + UNIT_CHECKS])
            if "clang-diagnostic-error" not in said:
                return folder, said if bad else "", True
        said = ""
        for path in paths:
            output, bad = tidy(root, commands[path], os.path.join(root, path), [])
            said += output if bad else ""
    return folder, said, len(paths) == 1


def changed_files(root):
    """All that differs from where the branch left main, committed or not."""
    def git(*words):
        done = run(["git", "-C", root, *words])
        return done.stdout.split() if done.returncode == 0 else []
    head = git("rev-parse", "HEAD")
    base = git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main")
    if not base or base == head:
        base = git("rev-parse", "HEAD~1")
    if not base:
        return None  # no history: everything
    return set(git("diff", "--name-only", base[0])) | set(git("ls-files", "-o", "--exclude-standard"))


def affected(root, paths, changed):
    """Files that changed, or include a header that did."""
    headers = [path for path in changed if path.endswith(".h")]
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = f.read()
        if path in changed or any(f'"{header}"' in text for header in headers):
            yield path


def sample(commit, paths, changed):
    """Changed files, then all files, room by room until there are SAMPLE: one of a room costs half as much as all."""
    def drawn(names):
        return sorted(names, key=lambda name: hashlib.sha256(f"{commit} {name}".encode()).digest())
    chosen = []
    for some in (changed, paths):
        for room in drawn({os.path.dirname(path) for path in some}):
            if len(chosen) < SAMPLE:
                chosen += [path for path in some if os.path.dirname(path) == room and path not in chosen]
    return chosen


def sample_self_test():
    paths = [f"{room}/{n}.cc" for room in ("a", "b", "c") for n in range(20)]
    changed = ["a/1.cc", "b/3.cc", "c/2.cc"]
    first = sample("commit", paths, changed)
    if not set(changed) <= set(first) or len({tuple(sample(str(n), paths, [])) for n in range(20)}) == 1:
        sys.exit(f"tidy: a sample without the changed files, or the same one for each commit: {first}")
    if len(set(first)) != len(first) or not SAMPLE <= len(first) < 2 * SAMPLE or len(sample("c", paths, paths)) > 40:
        sys.exit(f"tidy: a sample that is too small or too large: {first}")


def check(root, paths, commands):
    rooms = {}
    for path in paths:
        # A room's files are compiled alike, except those that no precompiled header serves.
        key = (os.path.dirname(path), tuple(arguments(commands[path])))
        rooms.setdefault(key, []).append(path)
    jobs = sorted(rooms.items(), key=lambda item: -len(item[1]))
    seen, singly = set(), []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(check_room, root, commands, key[0], files) for key, files in jobs]
        for future in concurrent.futures.as_completed(futures):
            folder, said, as_one = future.result()
            if not as_one:
                singly.append(folder)
            for offence in re.split(r"(?m)^(?=/\S+:\d+:\d+: (?:error|warning):)", said):
                first = offence.split("\n", 1)[0]
                if offence.startswith("/") and first not in seen:  # a header's are found with each file
                    seen.add(first)
                    print(offence.replace(root + "/", ""), end="", flush=True)
    if singly:
        print(f"tidy: read as single files, as two of them use one name: {' '.join(sorted(singly))}")
    return len(seen)


def version():
    return int(re.search(r"version (\d+)", run(["clang-tidy", "--version"]).stdout).group(1))


INJECTED = "struct Injected {\n  Injected(int value);\n};\nint* nothing = 0;\n"


def self_test(root):
    commands = configure(root)
    entry = commands["base/process/fd.cc"]
    with tempfile.TemporaryDirectory() as scratch:
        os.mkdir(os.path.join(scratch, "base"))
        # Once alone, and once as a part of a room, where it is a header to clang-tidy.
        path, unit = os.path.join(scratch, "base", "injected2.cc"), os.path.join(scratch, "room.cc")
        for name, text in ((path, INJECTED), (unit, f'#include "{path}"\n')):
            with open(name, "w", encoding="utf-8") as f:
                f.write(text)
        for read, extra in ((path, []), (unit, ["--checks=" + UNIT_CHECKS])):
            said, bad = tidy(root, entry, read, extra)
            if not bad or "google-explicit-constructor" not in said or "modernize-use-nullptr" not in said:
                sys.exit(f"tidy: the offences injected into {os.path.basename(read)} were not found: {said}")
    print("tidy: 4 injected offences found")


def main():
    root = os.path.abspath(sys.argv[1])
    if "--self-test" in sys.argv:
        sample_self_test()
        self_test(root)
        return
    commands = configure(root)
    paths = sorted(commands)
    if "changed" in sys.argv:
        changed = changed_files(root)
        if changed is not None:
            paths = list(affected(root, paths, changed))
    elif "sample" in sys.argv:
        commit = run(["git", "-C", root, "rev-parse", "HEAD"]).stdout.strip()
        changed = list(affected(root, paths, changed_files(root) or set()))
        paths = sample(commit, paths, changed)
        print(f"tidy: {len(set(paths) & set(changed))} of {len(changed)} changed files, and the rooms "
              f"{' '.join(sorted({os.path.dirname(path) for path in set(paths) - set(changed)}))}", flush=True)
    found = check(root, paths, commands)
    if found and version() != VERSION:
        print(f"NOTE: clang-tidy {version()} finds {found} offences; what counts is version {VERSION}")
        return
    if found:
        sys.exit(f"tidy: {found} offences in {len(paths)} files")
    print(f"tidy: {len(paths)} files, no offence")


main()

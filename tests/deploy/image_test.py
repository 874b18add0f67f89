#!/usr/bin/env python3
"""Checks deploy/Dockerfile against the tree and against the built programs.

  image_test.py ROOT BIN
"""
import os
import re
import shlex
import subprocess
import sys

PROGRAMS = ["entropyd", "entropyd-hostagent", "entropyctl"]


def instructions(path):
    text = re.sub(r"\\\n", " ", open(path, encoding="utf-8").read())
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.split(None, 1)


def package_of(library):
    """The Debian package that owns a shared library. Merged /usr: dpkg may know either path."""
    real = os.path.realpath(library)
    for path in (library, real, real.removeprefix("/usr"), "/usr" + library):
        found = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    return None


def direct_libraries(binary):
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", subprocess.run(
        ["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout)
    where = dict(re.findall(r"(\S+) => (/\S+)", subprocess.run(
        ["ldd", binary], capture_output=True, text=True, check=True).stdout))
    return [where[name] for name in needed if name in where]


def main():
    root, binaries = sys.argv[1:3]
    problems, installed, copied = [], set(), set()
    lines = list(instructions(os.path.join(root, "deploy", "Dockerfile")))
    stages = sum(1 for word, _ in lines if word == "FROM")
    stage = 0
    for word, rest in lines:
        if word == "FROM":
            stage += 1
        if word == "COPY":
            parts = shlex.split(rest)
            if parts[0] == "--from=build":
                copied |= {os.path.basename(p) for p in parts[1:-1]}
            else:
                problems += [f"COPY {p}: not in the tree" for p in parts[:-1]
                             if not os.path.exists(os.path.join(root, p))]
        if word == "RUN" and stage == stages:
            for command in re.split(r"&&|;", rest):
                if "apt-get install" in command:
                    installed |= {p for p in command.split() if not p.startswith("-")} - {"apt-get", "install"}
        if word == "CMD":
            command = re.findall(r'"([^"]+)"', rest)
            program = os.path.join(binaries, os.path.basename(command[0]))
            # Its real flags: with them and --help the program must know what it is asked.
            run = subprocess.run([program, *command[1:], "--help"], capture_output=True, text=True)
            if run.returncode != 0:
                problems.append(f"CMD {command}: {run.stderr}")
    if copied != set(PROGRAMS):
        problems.append(f"the image gets {sorted(copied)} instead of {PROGRAMS}")
    codename = dict(l.strip().split("=", 1) for l in open("/etc/os-release") if "=" in l).get("VERSION_CODENAME")
    if codename == "bookworm":
        for program in PROGRAMS:
            for library in direct_libraries(os.path.join(binaries, program)):
                package = package_of(library)
                if package not in installed:
                    problems.append(f"{program} needs {library} of package {package}: not installed in the image")
    else:
        print(f"NOTE: the image is Debian 12's; libraries were not compared on {codename}")
    for problem in sorted(set(problems)):
        print(problem)
    if problems:
        sys.exit(1)
    print("image: the Dockerfile fits the tree and the programs")


main()

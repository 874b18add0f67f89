"""Test binaries with one source file broken, made out of a build that stays as it is.

Only what the broken file is part of is compiled again, with the build's own commands and into a folder of its own. It
stands on the linker's command line before the build's archives, so that nobody asks these for the unbroken object.
The build has to compile each file singly: an object of several files would bring its own copy of the broken one.
"""
import json
import os
import re
import shlex
import subprocess


class CannotBuild(Exception):
    """The compiler or the linker refused; its words are the message."""


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotBuild((done.stdout + done.stderr)[-4000:])
    return done.stdout


class Build:
    """A built folder of CMake and Ninja. Several threads may make binaries of it at once."""

    def __init__(self, root, folder):
        self._root, self._folder = root, folder
        with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as f:
            entries = json.load(f)
        self._commands = {}  # object: (source, command)
        for entry in entries:
            command = shlex.split(entry["command"])
            self._commands[command[command.index("-o") + 1]] = (entry["file"], command)
        self._uses = self._read_uses()

    def _read_uses(self):
        """Path of a file of the tree: the objects that were made of it."""
        uses, built = {}, None
        for line in run(["ninja", "-t", "deps"], self._folder).splitlines():
            if not line.startswith(" "):
                built = line.split(": #deps")[0]
            elif built in self._commands:
                # A compiler cache with a base folder writes paths relative to the build.
                used = os.path.normpath(os.path.join(self._folder, line.strip()))
                if used.startswith(self._root + "/"):
                    uses.setdefault(os.path.relpath(used, self._root), set()).add(built)
        for built, (source, _) in self._commands.items():
            uses.setdefault(os.path.relpath(source, self._root), set()).add(built)
        return uses

    def binary(self, name, path, text, scratch):
        """Links bin/NAME with `text` in place of the tree's file `path`, in the folder `scratch`, and returns where
        it is. Raises CannotBuild."""
        overlay = os.path.join(scratch, "tree")
        broken = os.path.join(overlay, path)
        os.makedirs(os.path.dirname(broken), exist_ok=True)
        with open(broken, "w", encoding="utf-8") as f:
            f.write(text)
        try:
            command = shlex.split(run(["ninja", "-t", "commands", f"bin/{name}"], self._folder).splitlines()[-1])
            command = command[command.index("&&") + 1:len(command) - command[::-1].index("&&") - 1]
            fresh, members = {}, []
            for built in sorted(self._uses.get(path, ())):
                archive = re.sub(r"CMakeFiles/(\w+)\.dir/.*", r"lib\1.a", built)
                if built in command or archive in command:
                    fresh[built] = self._compile(built, path, overlay, scratch)
                    if built not in command:
                        members.append(fresh[built])
            if not fresh:
                raise CannotBuild(f"bin/{name} is not made of {path}")
            command = [fresh.get(word, word) for word in command]
            out = os.path.join(scratch, name)
            command[command.index("-o") + 1] = out
            run(command[:1] + members + command[1:], self._folder)
            return out
        finally:
            os.remove(broken)

    def _compile(self, built, path, overlay, scratch):
        source, command = self._commands[built]
        out = os.path.join(scratch, built.replace("/", "+"))
        # The broken header is found before the tree's own; a mutant may leave a variable unused.
        command = command[:1] + ["-I" + overlay] + [word for word in command[1:] if word != "-Werror"]
        command[command.index("-o") + 1] = out
        if source == os.path.join(self._root, path):
            command[-1] = os.path.join(overlay, path)
        run(command, self._folder)
        return out

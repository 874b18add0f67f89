"""Reads what a C, C++ or proto file includes, as the compiler would: without comments and raw strings, with
lines that go on after a backslash. What cannot be read so, such as a macro for a name, is a fault."""
import re

# A raw string, a string, a character, a comment to the end of the line, a comment.
TOKEN = re.compile(r'(?<![0-9A-Za-z_])(?:u8|[uUL])?R"([^()\\ ]{0,16})\(.*?\)\1"'
                   r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\''
                   r'|//[^\n]*|/\*.*?\*/', re.S)
DIRECTIVE = re.compile(r"\s*(?:#|%:|\?\?=)\s*(\w*)(.*)")
NAME = re.compile(r'\s*(?:"([^"]+)"|<([^>]+)>)\s*$')
MODULE = re.compile(r'\s*(?:export\s+)?import\s*(?:["<:]|\w[\w.:]*\s*;)')
PROTO_IMPORT = re.compile(r"""\bimport\b\s*(?:\w+\s*)?(["'])(.*?)\1""", re.S)
# Stands for a line break that ends no line, so that lines are counted right.
BREAK = "\v"


def without_comments(text):
    def bare(match):
        token = match.group(0)
        if token.startswith(("//", "/*")):
            return " " + BREAK * token.count("\n")
        return '""' + BREAK * token.count("\n") if token[0] not in "\"'" else token
    return TOKEN.sub(bare, re.sub(r"\\\r?\n", BREAK, text))


def fault_of_name(target):
    """Why no file may be named so, or None."""
    if "\\" in target or any(part in ("", ".", "..") for part in target.split("/")):
        return f"include from the root, not '{target}'"
    return None


def fault_of_line(line):
    """(the name that the line includes, or None; what is wrong with it, or None)"""
    line = line.replace(BREAK, "")
    if MODULE.match(line):
        return None, "no module is imported here"
    match = DIRECTIVE.match(line)
    word = match.group(1) if match else ""
    if word in ("import", "include_next", "embed", "include_alias"):
        return None, f"#{word}: nobody but #include includes"
    if word != "include":
        return None, None
    name = NAME.match(match.group(2))
    if not name:
        return None, f"#include{match.group(2).rstrip()}: write the name itself"
    target = name.group(1) or name.group(2)
    return target, fault_of_name(target)


def include_lines(path, text):
    """(line, name or None, fault or None) of each include of this file, whose text has no comments any more."""
    if path.endswith(".proto"):
        for match in PROTO_IMPORT.finditer(text):
            yield line_at(text, match.start()), match.group(2), fault_of_name(match.group(2))
        return
    number = 1
    for line in text.split("\n"):
        target, fault = fault_of_line(line)
        if target or fault:
            yield number, target, fault
        number += 1 + line.count(BREAK)


def line_at(text, place):
    return 1 + sum(text.count(end, 0, place) for end in ("\n", BREAK))

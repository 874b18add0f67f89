"""What the judges of suites have in common: they print each figure, remember whether one missed its bar, and read what
the crowds of a suite have said, one JSON object a line in CROWD.log.
"""
import json
import sys

misses = 0


def judged(good, text):
    global misses
    misses += not good
    print(f"   {text}{'' if good else '   MISSED'}")


def lines(name):
    found = [json.loads(line) for line in open(f"{name}.log", encoding="utf-8") if line.startswith("{")]
    return found or sys.exit(f"judge.py: {name} has said nothing")


def window(crowd, name):
    """The last of that name: a window may have been repeated."""
    found = [line for line in lines(crowd) if line["name"] == name]
    return found[-1] if found else sys.exit(f"judge.py: {crowd} has no window {name}")


def jain(guests, total, squares):
    """Jain's index of what guests got, from their number, its sum and the sum of its squares: 1 when all got as much,
    1/guests when one got all."""
    return total * total / (guests * squares)

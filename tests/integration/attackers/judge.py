#!/usr/bin/env python3
"""Holds what the attack showed against its bars; prints each figure, and exits 1 when one misses.

  judge.py shares WINDOW    bytes of each polite and each greedy guest, against the ideal
  judge.py attacks NAME…    what the attackers did: each kind connected and sent, nobody found the agent away, and no
                            half-close got a part of its bytes only

The ideal is the fluid one, of equal weights: a guest that asks for less than its part gets what it asks for, and the
others have what is left in equal parts. Guests that ask at times ask less often while this machine is busy with
something else; half as often at least.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import judging
from judging import jain, judged, lines, window

DUE_BYTES_PER_SECOND = 64 / 0.05
LEAST_ASKED = 0.5
TOLERANCE = 0.03
LEAST_JAIN = 0.99


def fluid(total, demands):
    """What each guest gets of `total`; None = as much as it can get."""
    level, left, waiting = 0.0, total, len(demands)
    for demand in sorted(d for d in demands if d is not None):
        level = left / waiting
        if demand >= level:
            break
        left, waiting = left - demand, waiting - 1
    level = left / waiting
    return [level if d is None else min(d, level) for d in demands]


def shares(name):
    crowds = {crowd: window(crowd, name) for crowd in ("due", "hungry", "greedy.plain", "greedy.known")}
    demands = []
    for crowd, said in crowds.items():
        demand = None
        if crowd == "due":
            demand = said["bytes"] / said["guests"]
            asked = demand / (DUE_BYTES_PER_SECOND * said["seconds"])
            judged(asked >= LEAST_ASKED, f"due: {asked:.2f} of what they ask for when nothing delays them")
        demands += [demand] * said["guests"]
    ideals = fluid(sum(said["bytes"] for said in crowds.values()), demands)
    at = 0
    for crowd, said in crowds.items():
        ideal, n = ideals[at], said["guests"]
        at += n
        of_ideal = said["bytes"] / n / ideal
        judged(abs(of_ideal - 1) <= TOLERANCE,
               f"{crowd}: {n} guests with {said['bytes'] / n:.0f} bytes each, {of_ideal:.4f} of the ideal {ideal:.0f}")
        index = jain(n, said["bytes"], said["bytes_squared"])
        judged(index >= LEAST_JAIN, f"{crowd}: Jain's index {index:.5f}")


def attacks(*names):
    sums = {}
    for name in names:
        for process in lines(name):
            print(f"   {name}: seed {process['seed']}")
            for attack in process["attacks"]:
                kind = sums.setdefault(attack["kind"], {})
                for key, value in attack.items():
                    if key not in ("kind", "socket"):
                        kind[key] = kind.get(key, 0) + value
    for kind, figures in sums.items():
        good = figures["connects"] > 0 and figures["sent"] > 0 and figures["away"] == 0 and figures["short"] == 0
        judged(good, f"{kind}: " + ", ".join(f"{value} {key}" for key, value in figures.items()))


def main():
    {"shares": shares, "attacks": attacks}[sys.argv[1]](*sys.argv[2:])
    sys.exit(judging.misses > 0)


main()

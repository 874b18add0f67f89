"""Has the server take one random configuration after the other.

  storm.py PID CONFIG LOG ROUNDS SEED

Each time it replaces CONFIG, sends SIGHUP and waits until LOG tells that the server has taken it. At the end it puts
back what CONFIG was at first. Only class default/gold, its pool and source `kernel` are in all of them. Exit 1 when the
server refuses one, or takes more than 10 s.
"""
import os
import random
import signal
import sys
import time


def sources(names):
    for name in names:
        rate = random.choice(["", "", ", max_rate: 8MiB/s", ", max_rate: 16MiB/s"])
        yield f"  - {{name: {name}, driver: getrandom{rate}}}"


def leaf(name, parent):
    ceil = random.choice(["", ", ceil: 4MiB/s"])
    weight = random.choice(["", ", member_weight: guests"])
    return f"      - {{name: {name}, parent: {parent}, rate: {random.randint(1, 2048)}KiB/s{ceil}{weight}}}"


def pool(name, names):
    fed = random.sample(names, random.randint(1, len(names)))
    keys = random.choice(["    quality: drbg", *(f"    quality: full\n    capacity: {size}KiB" for size in (4, 16))])
    yield f"  - name: {name}\n{keys}\n    sources: [{', '.join(fed)}]\n    classes:"
    yield "      - {name: top, rate: 4MiB/s}"
    yield leaf("x", "top")


def configuration(head, policy):
    """The whole text. `head` is what stands before the sources."""
    extra = random.sample(["s1", "s2", "s3"], random.randint(0, 3))
    pools = random.sample(["p1", "p2"], random.randint(0, 2))
    inner = random.choice(["", "metals", "alloys"])
    leaves = random.sample(["a", "b", "c", "d"], random.randint(0, 4))
    lines = [head.rstrip("\n")]
    lines.append(f"max_agents: {random.choice([9, 20, 50])}")
    lines.append(f"max_in_flight: {random.choice([1, 16, 64])}MiB")
    lines.append(f"max_gets: {random.randint(1, 1024)}")
    lines.append(f"max_connections: {random.randint(60, 400)}")
    lines.append(f"allow_recording: {random.choice(['true', 'false'])}")
    lines += ["sources:", "  - {name: kernel, driver: getrandom}", *sources(extra), "pools:"]
    random.shuffle(pools)
    before = pools[: random.randint(0, len(pools))]
    for name in before:
        lines += pool(name, ["kernel"] + extra)
    lines.append(f"  - name: default\n    sources: [{', '.join(['kernel'] + extra[:1])}]\n    classes:")
    lines.append(f"      - {{name: root, rate: {random.randint(40, 100)}MiB/s}}")
    if inner:
        lines.append(f"      - {{name: {inner}, parent: root, rate: 30MiB/s}}")
    lines.append(f"      - {{name: gold, parent: {inner or 'root'}, rate: {random.randint(5, 20)}MiB/s}}")
    lines += [leaf(name, random.choice(["root", inner or "root"])) for name in leaves]
    for name in pools[len(before):]:
        lines += pool(name, ["kernel"] + extra)
    return "\n".join(lines) + "\n" + policy


def main():
    pid, path, log, rounds, seed = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    random.seed(seed)
    with open(path, encoding="utf-8") as file:
        first = file.read()
    head, rest = first.split("sources:\n", 1)
    policy = "policy:\n" + rest.split("policy:\n", 1)[1]
    seen = open(log, encoding="utf-8")
    seen.seek(0, os.SEEK_END)
    longest = 0.0
    for count in range(1, rounds + 1):
        text = first if count == rounds else configuration(head, policy)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
        began = time.monotonic()
        os.kill(pid, signal.SIGHUP)
        line = ""
        while "event=server.reloaded" not in line:
            line = seen.readline()
            if "event=server.reload_fail" in line or "event=server.reload_fault" in line:
                sys.exit(f"round {count}: {line}{text}")
            if not line:
                if time.monotonic() - began > 10:
                    sys.exit(f"round {count}: the server did not take this within 10 s:\n{text}")
                time.sleep(0.002)
        longest = max(longest, time.monotonic() - began)
    print(f"{rounds} reloads, the longest took {1000 * longest:.0f} ms")


main()

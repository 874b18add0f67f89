#!/usr/bin/env python3
"""Breaks one file after the other as the lists beside it say, links the list's test binary with the broken file and
runs the list's tests; see run.sh for the usage and README.md for the format of the lists."""
import argparse
import concurrent.futures
import itertools
import hashlib
import os
import signal
import subprocess
import sys
import tempfile

from broken_build import Build, CannotBuild
from mutants import HERE, MAY_HANG, read_mutants, sample

ROOT = os.path.dirname(os.path.dirname(HERE))
PRESET = "asan"  # compiles each file singly, and sees what a mutant does to memory
BUILD = os.path.join(ROOT, "build", PRESET)
# (ENTROPYD_TEST_SCALE, seconds): a short run kills most, and only who survives it gets a longer one.
RUNS = (("0.01", 180), ("0.05", 300), ("0.25", 900))
HANGS = "the tests do not end"


def patterns_without_tests(program, gtest_filter):
    """A part of a filter that names no test kills nothing: the tests may have moved to another binary."""
    return [pattern for pattern in gtest_filter.split(":")
            if "\n  " not in subprocess.run([program, f"--gtest_filter={pattern}", "--gtest_list_tests"],
                                            capture_output=True, text=True).stdout]


def first_failure(done):
    failed = [line.split()[3].rstrip(",") for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]")]
    if failed:
        return failed[0]
    sanitizer = "AddressSanitizer" if "AddressSanitizer" in done.stderr else "exit"
    return f"({sanitizer} {done.returncode})"


def in_turn(gtest_filter):
    """The parts of a filter, those over gRPC last: such a test waits long for what a mutant keeps from it, and a
    smaller one sees the fault at once."""
    patterns = gtest_filter.split(":")
    groups = ([p for p in patterns if p.startswith("Grpc") == over_grpc] for over_grpc in (False, True))
    return [":".join(group) for group in groups if group]


def failing_test(program, gtest_filter, runs=RUNS):
    """The first test that fails, HANGS, or None."""
    environment = {**os.environ, "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp"}
    for (scale, seconds), part in itertools.product(runs, in_turn(gtest_filter)):
        command = [program, f"--gtest_filter={part}", "--gtest_fail_fast", "--gtest_brief=1"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds,
                                  env={**environment, "ENTROPYD_TEST_SCALE": scale})
        except subprocess.TimeoutExpired:
            return HANGS
        if done.returncode != 0:
            return first_failure(done)
    return None


def judge(mutant, killer):
    """("killed", "alive" or "hangs", what to print)."""
    if killer is None:
        return "alive", "ALIVE"
    if killer != HANGS:
        return "killed", f"killed by {killer}"
    return ("killed", f"killed: {HANGS}") if mutant.may_hang else ("hangs", f"HANGS, and its entry has no '{MAY_HANG}'")


def tried(mutant, build):
    """("killed", "alive", "hangs" or "unbuilt", what to print)."""
    with tempfile.TemporaryDirectory(prefix="entropyd-mutant.") as scratch:
        try:
            program = build.binary(mutant.tests[0], mutant.path, mutant.applied(ROOT), scratch)
        except CannotBuild as error:
            # What does not compile proves nothing.
            return "unbuilt", f"does not build\n{error}"
        return judge(mutant, failing_test(program, mutant.tests[1]))


def wrong_unbroken(tests):
    """Why the unbroken build's tests say nothing about a mutant, or None."""
    name, gtest_filter = tests
    program = os.path.join(BUILD, "bin", name)
    empty = patterns_without_tests(program, gtest_filter)
    if empty:
        return f"{name} has no test of {', '.join(empty)}; mend the line % of the list"
    failed = failing_test(program, gtest_filter, RUNS[:1])
    return f"what is not broken does not pass: {failed}" if failed is not None else None


def try_all(mutants, workers):
    """The mutants by what became of them."""
    build = Build(ROOT, BUILD)
    outcomes = {"killed": [], "alive": [], "hangs": [], "unbuilt": []}
    tries = {workers.submit(tried, m, build): m for m in mutants}
    for done in concurrent.futures.as_completed(tries):
        outcome, verdict = done.result()
        outcomes[outcome].append(tries[done])
        print(f"{tries[done]}: {verdict}", flush=True)
    return outcomes


def end_early_on_signals(workers):
    """SIGTERM and Ctrl-C end what runs and begin nothing new; what was made goes away."""
    def end(number, _):
        workers.shutdown(wait=False, cancel_futures=True)
        subprocess.run(["pkill", "-P", str(os.getpid())], check=False)
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def parsed(arguments):
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed")
    parser.add_argument("-j", type=int, default=os.cpu_count(), dest="workers")
    parser.add_argument("words", nargs="*")
    return parser.parse_args(arguments)


def commit():
    """What names this version of the tree: the commit, or without git a digest of what mutants break."""
    try:
        said = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
        if said.returncode == 0:
            return said.stdout.strip()
    except FileNotFoundError:
        pass
    digest = hashlib.sha256()
    for path in sorted({m.path for m in read_mutants()}):
        with open(os.path.join(ROOT, path), "rb") as f:
            digest.update(f.read())
    return digest.hexdigest()


def chosen(mutants, wish):
    if wish.words:
        mutants = [m for m in mutants if any(w in str(m) for w in wish.words)]
    if wish.sample is None:
        return mutants
    seed = wish.seed or commit()
    print(f"mutation: {wish.sample} of {len(mutants)} mutants, by --seed {seed}", flush=True)
    return sample(mutants, wish.sample, seed)


def main(arguments):
    wish = parsed(arguments)
    mutants = chosen(read_mutants(), wish)
    stale = [m for m in mutants if m.applied(ROOT) is None]
    for m in stale:
        print(f"mutation: '{m.what}' no longer applies to {m.path}; mend it in {m.area}.txt", file=sys.stderr)
    if wish.list:
        for m in mutants:
            print(m)
    if stale or not mutants:
        return 2
    if wish.list:
        return 0
    built = subprocess.run([os.path.join(ROOT, "tests/build.sh"), PRESET, *sorted({m.tests[0] for m in mutants})],
                           capture_output=True, text=True)
    if built.returncode != 0:
        print(f"mutation: the tests do not build: {built.stdout}{built.stderr}", file=sys.stderr)
        return 2
    with concurrent.futures.ThreadPoolExecutor(wish.workers) as workers:
        end_early_on_signals(workers)
        wrong = [why for why in workers.map(wrong_unbroken, sorted({m.tests for m in mutants})) if why is not None]
        for why in wrong:
            print(f"mutation: {why}", file=sys.stderr)
        if wrong:
            return 2
        outcomes = try_all(mutants, workers)
    print(f"mutation: {len(mutants)} mutants, {len(outcomes['alive'])} alive, {len(outcomes['hangs'])} hang, "
          f"{len(outcomes['unbuilt'])} did not build")
    return 1 if outcomes["alive"] or outcomes["hangs"] else 2 if outcomes["unbuilt"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

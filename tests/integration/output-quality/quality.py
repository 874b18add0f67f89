#!/usr/bin/env python3
"""Examines output with rngtest and ent, against limits that ideal output misses once in 10^9 runs each.

  quality.py check FILE        exit 1 and one line per check that the file fails
  quality.py spoil KIND        standard input to standard output, with a fault: leaning-bits,
                               repeated-bytes, repeated-words or rare-value
  quality.py limit BLOCKS      how many of so many ideal blocks may fail FIPS 140-2
"""
import math
import random
import re
import subprocess
import sys

MISSES = 1e-9
SIGMAS = 6  # of a normal distribution lie beyond on one side: 10^-9
# The share of ideal blocks of 20,000 bits that fail some test of FIPS 140-2.
FIPS_FALSE_ALARMS = 0.00094


def most_failures(blocks):
    """The least k with P(more than k of `blocks` fail) <= MISSES."""
    log_p, log_q = math.log(FIPS_FALSE_ALARMS), math.log1p(-FIPS_FALSE_ALARMS)

    def probability(k):
        return math.exp(math.lgamma(blocks + 1) - math.lgamma(k + 1) - math.lgamma(blocks - k + 1) + k * log_p +
                        (blocks - k) * log_q)

    tail, k = 0.0, blocks
    while k > 0 and tail + probability(k) <= MISSES:
        tail += probability(k)
        k -= 1
    return k


def chi_square_limit(freedom, sigmas):
    """Wilson and Hilferty: the cube root of chi square is nearly normal."""
    return freedom * (1 - 2 / (9 * freedom) + sigmas * math.sqrt(2 / (9 * freedom))) ** 3


def rngtest(path):
    with open(path, "rb") as file:
        # It exits with 1 when any block failed, as some do.
        report = subprocess.run(["rngtest"], stdin=file, capture_output=True, text=True).stderr
    passed, failed = (int(re.search(rf"FIPS 140-2 {what}: (\d+)", report).group(1))
                      for what in ("successes", "failures"))
    limit = most_failures(passed + failed)
    yield "rngtest", f"{failed} of {passed + failed} blocks fail, at most {limit}", failed <= limit


def ent(path):
    report = subprocess.run(["ent", "-t", path], capture_output=True, text=True, check=True).stdout
    fields = dict(zip(*(line.split(",") for line in report.split()[:2])))
    n = int(fields["File-bytes"])
    freedom = 255
    low, high = chi_square_limit(freedom, -SIGMAS), chi_square_limit(freedom, SIGMAS)
    chi_square = float(fields["Chi-square"])
    yield "chi-square", f"{chi_square}, between {low:.1f} and {high:.1f}", low < chi_square < high
    # To first order 8 - entropy is chi square / (2 n ln 2); ent rounds to 10^-6.
    least = 8 - 1.01 * high / (2 * n * math.log(2)) - 1e-6
    entropy = float(fields["Entropy"])
    yield "entropy", f"{entropy} bits a byte, at least {least:.6f}", entropy >= least
    # Of independent bytes: mean 0, deviation 1 / sqrt(n).
    correlation, most = float(fields["Serial-Correlation"]), SIGMAS / math.sqrt(n)
    yield "serial-correlation", f"{correlation}, at most {most:.6f}", abs(correlation) <= most
    # Of one byte: deviation sqrt((256^2 - 1) / 12).
    mean, most = float(fields["Mean"]), SIGMAS * math.sqrt((256**2 - 1) / 12 / n)
    yield "mean", f"{mean}, within {most:.4f} of 127.5", abs(mean - 127.5) <= most


def check(path):
    accepted = True
    for examine in (rngtest, ent):
        for name, finding, good in examine(path):
            print(f"{path}: {name}: {finding}: {'accepted' if good else 'REFUSED'}")
            accepted &= good
    return 0 if accepted else 1


def spoil(kind):
    data = bytearray(sys.stdin.buffer.read())
    if kind == "leaning-bits":  # one bit of 64 is set
        bits = int.from_bytes(data, "little")
        mask = -1
        for _ in range(6):
            mask &= int.from_bytes(random.randbytes(len(data)), "little")
        data = (bits | mask).to_bytes(len(data), "little")
    elif kind == "repeated-bytes":  # one byte of 100
        data[1::100] = data[:len(data) - 1:100]
    elif kind == "repeated-words":  # one 32-bit word of 25,000, each in a block of its own
        for at in range(50_000, len(data) - 8, 100_000):
            data[at + 4:at + 8] = data[at:at + 4]
    elif kind == "rare-value":  # a tenth of the zeros are ones
        for at in range(0, len(data), 10):
            data[at] = data[at] or 1
    else:
        sys.exit(f"quality.py: no fault '{kind}'")
    sys.stdout.buffer.write(data)


if sys.argv[1] == "check":
    sys.exit(check(sys.argv[2]))
elif sys.argv[1] == "spoil":
    spoil(sys.argv[2])
else:
    print(most_failures(int(sys.argv[2])))

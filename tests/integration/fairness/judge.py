#!/usr/bin/env python3
"""Holds what a window of this suite showed against its bars; prints each figure, and exits 1 when one misses.

  judge.py snapshot PORT FILE              the server's delivered bytes per class, and when that was
  judge.py rates A B SIMULATED CLASS=KIBS… from snapshot A to B: within 2 % of both expectations
  judge.py scarce A B [CLASS=FRACTION…]    classes that share what a source gives: their parts of the sum, the
                                           sum in KiB/s on the last line
  judge.py polite WINDOW NAME…             prints p50 beside that of the window `alone`, and of the crowd
                                           `control` in this window, which is alone on its host
  judge.py one WINDOW NAME…                prints p50 beside that of the window `alone`
  judge.py even WINDOW NAME NAME           Jain's index over the guests of two crowds
  judge.py hosts WINDOW FEW MANY RATIO     what MANY gets for each byte of FEW, within 5 %
  judge.py answered NAME…                  after `stop`: nobody waits, was closed, or got too much
Several of them are separated by `--`.

Shares are judged. Times depend on what else this machine does: they are printed and go to the file `latencies`, one
JSON object a line, which tests/bench judges.
"""
import json
import os
import re
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import judging
from judging import jain, judged, window

RATE_TOLERANCE = 0.02
HOST_TOLERANCE = 0.05
LEAST_JAIN = 0.99


def snapshot(port, file):
    before = time.monotonic()
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    at = (before + time.monotonic()) / 2
    found = re.findall(r'^entropyd_class_delivered_bytes_total\{(.*)\} (\S+)$', text, re.MULTILINE)
    delivered = {re.search('class="(.*?)"', labels)[1]: float(value) for labels, value in found}
    json.dump({"at": at, "delivered": delivered}, open(file, "w", encoding="utf-8"))


def rates_between(a, b):  # KiB/s by class
    a, b = (json.load(open(f"{name}.snapshot", encoding="utf-8")) for name in (a, b))
    seconds = b["at"] - a["at"]
    if seconds < 10:
        sys.exit(f"judge.py: a window of {seconds} s is too short")
    return {c: (b["delivered"][c] - a["delivered"][c]) / seconds / 1024 for c in b["delivered"]}


def figures(arguments):
    return {name: float(value) for name, value in (argument.split("=") for argument in arguments)}


def rates(a, b, simulated, *expected):
    measured = rates_between(a, b)
    simulated = json.load(open(simulated, encoding="utf-8"))["leaf"]
    for name, ideal in figures(expected).items():
        of_ideal, of_simulated = measured[name] / ideal, measured[name] / simulated[name]
        judged(max(abs(of_ideal - 1), abs(of_simulated - 1)) <= RATE_TOLERANCE,
               f"{name}: {measured[name]:.1f} KiB/s, {of_ideal:.4f} of the ideal {ideal:g},"
               f" {of_simulated:.4f} of what is simulated")


def scarce(a, b, *expected):
    measured = rates_between(a, b)
    total = measured["x"] + measured["y"]
    ideal = figures(expected)
    if not ideal:  # guarantees of 12 and 6, what is beyond them 1 : 3
        ideal = {"x": (12 + (total - 18) / 4) / total, "y": (6 + (total - 18) * 3 / 4) / total}
    for name, part in ideal.items():
        judged(abs(measured[name] / total / part - 1) <= RATE_TOLERANCE,
               f"{name}: {measured[name]:.2f} KiB/s, {measured[name] / total / part:.4f} of the ideal"
               f" {part * total:.2f} of {total:.2f}")
    print(f"{total:.2f}")


def told(case, beside, alone, text):
    if not beside["requests"] or not alone["requests"]:  # whose waits would be 0, and fit any bar
        judged(False, f"{case}: no request was answered")
    with open("latencies", "a", encoding="utf-8") as file:
        print(json.dumps({"case": case, "beside_us": beside["p50_us"], "alone_us": alone["p50_us"]}), file=file)
    print(f"   {text}; p99 {beside['p99_us']:.0f} us, {alone['p99_us']:.0f} alone")


def polite(name, *crowds):
    # All processes here share few processors, which a server and its hosts do not: what the control
    # crowd waits for beyond what it did alone is its turn on the processor.
    control = window("control", name)
    for crowd in crowds:
        alone, beside = window(crowd, "alone"), window(crowd, name)
        before, now = (beside["p50_us"] / of["p50_us"] for of in (alone, control))
        told(f"{crowd}, {name}", beside, alone if before < now else control,
             f"polite, {crowd}: p50 {beside['p50_us']:.0f} us, {before:.2f} of {alone['p50_us']:.0f} alone before,"
             f" {now:.2f} of {control['p50_us']:.0f} alone now")


def one(name, *crowds):
    for crowd in crowds:
        alone, beside = window(crowd, "alone"), window(crowd, name)
        told(f"{crowd}, one greedy guest", beside, alone,
             f"polite beside one greedy guest, {crowd}: p50 {beside['p50_us']:.0f} us,"
             f" {beside['p50_us'] / alone['p50_us']:.2f} of {alone['p50_us']:.0f} alone")


def even(name, *crowds):
    of = [window(crowd, name) for crowd in crowds]
    guests, total, squares = (sum(one[k] for one in of) for k in ("guests", "bytes", "bytes_squared"))
    index = jain(guests, total, squares)
    judged(index >= LEAST_JAIN and guests == 256, f"Jain's index over {guests} guests: {index:.5f}")


def hosts(name, few, many, ratio):
    few, many = window(few, name), window(many, name)
    measured = many["bytes_per_second"] / few["bytes_per_second"]
    judged(abs(measured / float(ratio) - 1) <= HOST_TOLERANCE,
           f"a host with {many['guests']} guests gets {measured:.3f} times what one with"
           f" {few['guests']} gets; ideal {ratio}")


def answered(*crowds):
    for crowd in crowds:
        last = window(crowd, "stop")
        unfit = last["waiting"] + last["closed"] + last["surplus"]
        judged(unfit == 0, f"{crowd}: {last['waiting']} requests unanswered, {last['closed']} connections closed,"
                           f" {last['surplus']} bytes too much")


def main():
    actions = {f.__name__: f for f in (snapshot, rates, scarce, polite, one, even, hosts, answered)}
    words = sys.argv[1:] + ["--"]
    while words:
        end = words.index("--")
        actions[words[0]](*words[1:end])
        words = words[end + 1:]
    sys.exit(judging.misses > 0)


main()

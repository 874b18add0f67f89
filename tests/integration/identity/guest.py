#!/usr/bin/env python3
"""A guest for these steps: one process, one connection, driven over a FIFO.

  guest.py SOCKET FIFO LOG    reads lines: `read N` asks for N bytes by 0x02 and waits for them; `quit`
  guest.py SOCKET --churn N   N times: connects, reads 16 bytes, closes
LOG gets a line for each command done: `got N`, `closed`.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from egd_client import Closed, connect, read


path = sys.argv[1]
if sys.argv[2] == "--churn":
    for _ in range(int(sys.argv[3])):
        with connect(path) as s:
            read(s, 16)
    sys.exit(0)
s = connect(path)
log = open(sys.argv[3], "w", buffering=1)
log.write("connected\n")
with open(sys.argv[2]) as fifo:
    for line in fifo:
        words = line.split()
        if words[0] == "quit":
            break
        try:
            log.write(f"got {len(read(s, int(words[1])))}\n")
        except (OSError, Closed):
            log.write("closed\n")

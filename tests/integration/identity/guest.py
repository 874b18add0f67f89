#!/usr/bin/env python3
"""A guest for these steps: one process, one connection, driven over a FIFO.

  guest.py SOCKET FIFO LOG    reads lines: `read N` asks for N bytes by 0x02 and waits for them; `quit`
  guest.py SOCKET --churn N   N times: connects, reads 16 bytes, closes
LOG gets a line for each command done: `got N`, `closed`. At `quit` it exits with 1 and says why, if 16 bytes came
twice, or a byte came that it did not ask for.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import blocks
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
drawn = bytearray()
with open(sys.argv[2]) as fifo:
    for line in fifo:
        words = line.split()
        if words[0] == "quit":
            break
        try:
            data = read(s, int(words[1]))
            drawn += data
            log.write(f"got {len(data)}\n")
        except (OSError, Closed):
            log.write("closed\n")
try:
    s.settimeout(0.3)
    surplus = len(s.recv(4096))
except OSError:
    surplus = 0
if surplus:
    sys.exit(f"guest.py: {surplus} bytes that nobody asked for")
twice = blocks.repeated([("what it drew", bytes(drawn))], anywhere=True)
if twice:
    sys.exit(f"guest.py: {twice}")

#!/usr/bin/env python3
"""A guest for these steps: one process, one connection, driven over a FIFO.

  guest.py SOCKET FIFO LOG    reads lines: `read N` asks for N bytes by 0x02 and waits for them; `quit`
  guest.py SOCKET --churn N   N times: connects, reads 16 bytes, closes
LOG gets a line for each command done: `got N`, `closed`.
"""
import socket
import sys


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(path)
    return s


def read(s, n):
    left = n
    while left:
        s.sendall(bytes([2, min(left, 255)]))
        want = min(left, 255)
        left -= want
        while want:
            piece = s.recv(want)
            if not piece:
                return False
            want -= len(piece)
    return True


path = sys.argv[1]
if sys.argv[2] == "--churn":
    for _ in range(int(sys.argv[3])):
        with connect(path) as s:
            if not read(s, 16):
                sys.exit("closed")
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
            done = read(s, int(words[1]))
        except OSError:
            done = False
        log.write(f"got {words[1]}\n" if done else "closed\n")

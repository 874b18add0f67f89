#!/usr/bin/env python3
"""Opens connections and holds them until it is told to end.

  connections.py HOST PORT COUNT [--from ADDRESS] [--send silent|garbage|http|hello|close|slow]

Prints "open N" when all have been tried: N of them were accepted by the kernel. On SIGTERM it prints
"closed N", how many were closed by then, and ends. "slow" sends a byte of a request on each
connection twice a second, and opens those anew that the server has closed.
"""
import argparse
import os
import resource
import signal
import socket
import struct

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("count", type=int)
parser.add_argument("--from", dest="source")
parser.add_argument("--send", default="silent", choices=["silent", "garbage", "http", "hello", "close", "slow"])
options = parser.parse_args()

# The first record of a handshake (RFC 8446, 5.1) that says it is longer than what follows.
WORDS = {
    "garbage": lambda: os.urandom(512),
    "http": lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "hello": lambda: b"\x16\x03\x01" + struct.pack(">H", 512) + b"\x01\x00\x01\xfc\x03\x03",
}

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect():
    """A connection that has said its word, or None."""
    connection = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    connection.settimeout(30)
    try:
        if options.source:
            connection.bind((options.source, 0))
        connection.connect((options.host, options.port))
        if options.send in WORDS:
            connection.sendall(WORDS[options.send]())
    except OSError:
        connection.close()
        return None
    return connection


def drip(connection):
    """One byte more, on a new connection if the old one is closed."""
    try:
        connection.sendall(b"G")
        return connection
    except OSError:
        connection.close()
        return connect() or connection


held = []
opened = closed = 0
for _ in range(options.count):
    connection = connect()
    if connection is None:
        continue
    opened += 1
    if options.send == "close":
        connection.close()
        closed += 1
    else:
        held.append(connection)
print("open", opened, flush=True)

while signal.sigtimedwait([signal.SIGTERM], 0.5 if options.send == "slow" else 3600) is None:
    if options.send == "slow":
        held = [drip(connection) for connection in held]
for connection in held:
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
        closed += 1
    except BlockingIOError:
        pass
    except OSError:
        closed += 1
print("closed", closed, flush=True)

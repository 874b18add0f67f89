#!/usr/bin/env python3
"""An EGD client for tests: speaks the protocol byte by byte, and checks what comes back.

  egd_client.py SOCKET read N [--size S] [--out FILE]   N bytes by 0x02 requests of S (default 255)
  egd_client.py SOCKET bits                             0x00, prints the number
  egd_client.py SOCKET nonblock N                       0x01, prints how many bytes came
  egd_client.py SOCKET pid                              0x04, prints it
  egd_client.py SOCKET write N                          0x03 with N bytes, then 0x00 must still answer
  egd_client.py SOCKET pipeline N                       N times 0x02 64 before the first read
  egd_client.py SOCKET split                            each command, one byte at a time
  egd_client.py SOCKET unknown                          0x07: the connection must close without a byte
  egd_client.py SOCKET half                             half a command, then close
  egd_client.py SOCKET sizes                            0x02 with 0 and 255 bytes
  egd_client.py SOCKET idle N SECONDS                   N connections that say nothing
SOCKET is a path, or HOST:PORT. Exit 0 when everything came as it must.
"""
import argparse
import os
import resource
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import blocks

TIMEOUT = 20


class Closed(Exception):
    pass


def connect(path):
    host, colon, port = path.rpartition(":")
    over_tcp = colon and "/" not in path
    s = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX, socket.SOCK_STREAM)
    # With a time-out a local socket would not wait for room in a full backlog.
    if over_tcp:
        s.settimeout(TIMEOUT)
    s.connect((host, int(port)) if over_tcp else path)
    s.settimeout(TIMEOUT)
    return s


def exactly(s, n):
    data = bytearray()
    while len(data) < n:
        piece = s.recv(min(65536, n - len(data)))
        if not piece:
            raise Closed(f"closed after {len(data)} of {n} bytes")
        data += piece
    return bytes(data)


def nothing_more(s):
    s.settimeout(0.3)
    try:
        more = s.recv(4096)
    except socket.timeout:
        return
    sys.exit(f"{len(more)} bytes more than asked for" if more else "closed by the other side")


def read(s, n, size=255):
    data = bytearray()
    while len(data) < n:
        want = min(size, n - len(data))
        s.sendall(bytes([2, want]))
        data += exactly(s, want)
    return bytes(data)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("socket")
    p.add_argument("what")
    p.add_argument("numbers", nargs="*", type=int)
    p.add_argument("--size", type=int, default=255)
    p.add_argument("--out")
    a = p.parse_args()
    n = a.numbers[0] if a.numbers else 0

    if a.what == "idle":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        held = [connect(a.socket) for _ in range(n)]
        print(len(held), flush=True)
        time.sleep(a.numbers[1])
        return
    s = connect(a.socket)
    if a.what == "read":
        began = time.monotonic()
        data = read(s, n, a.size)
        if a.out:
            with open(a.out, "wb") as f:
                f.write(data)
        if n >= 64 and len(set(data)) < 16:
            sys.exit("the bytes repeat themselves")
        print(f"{len(data)} bytes in {time.monotonic() - began:.3f} s")
    elif a.what == "bits":
        s.sendall(b"\0")
        print(struct.unpack(">I", exactly(s, 4))[0])
        nothing_more(s)
    elif a.what == "nonblock":
        s.sendall(bytes([1, n]))
        got = exactly(s, 1)[0]
        if got > n:
            sys.exit(f"granted {got} of {n}")
        exactly(s, got)
        nothing_more(s)
        print(got)
    elif a.what == "pid":
        s.sendall(b"\4")
        text = exactly(s, exactly(s, 1)[0]).decode("ascii")
        print(int(text))
        nothing_more(s)
    elif a.what == "write":
        s.sendall(struct.pack(">BHB", 3, 8 * n, n) + os.urandom(n) + b"\0")
        print(struct.unpack(">I", exactly(s, 4))[0])
        nothing_more(s)
    elif a.what == "pipeline":
        s.sendall(bytes([2, 64]) * n)
        data = exactly(s, 64 * n)
        if found := blocks.repeated([("reply", data)]):
            sys.exit(found)
        nothing_more(s)
        print(len(data))
    elif a.what == "split":
        for command, reply in ((b"\0", 4), (b"\2\x40", 64), (b"\3\0\x08\x02ab", 0), (b"\2\xff", 255)):
            for byte in command:
                s.sendall(bytes([byte]))
                time.sleep(0.01)
            exactly(s, reply)
        nothing_more(s)
    elif a.what == "unknown":
        s.sendall(b"\7")
        try:
            answer = s.recv(64)
        except ConnectionResetError:
            answer = b""
        if answer:
            sys.exit(f"answered {answer!r} to an unknown command")
    elif a.what == "half":
        s.sendall(b"\2")
        s.close()
        s = connect(a.socket)
        s.sendall(b"\3\0")
        s.close()
    elif a.what == "sizes":
        s.sendall(b"\2\0\2\xff\2\0\1\0\2\x01")
        exactly(s, 255)
        if exactly(s, 1) != b"\0":
            sys.exit("0x01 of zero bytes must answer the length 0")
        exactly(s, 1)
        nothing_more(s)
    else:
        sys.exit(f"unknown action {a.what}")


if __name__ == "__main__":
    try:
        main()
    except Closed as closed:
        sys.exit(str(closed))

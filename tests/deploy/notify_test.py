#!/usr/bin/env python3
"""Starts a program as systemd would (Type=notify), waits for READY=1, ends it with SIGTERM.

  notify_test.py PROGRAM ARGUMENT…

A service manager may be missing where tests run; this stands in for it.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(20)
    process = subprocess.Popen(sys.argv[1:], env={**os.environ, "NOTIFY_SOCKET": path},
                               stderr=subprocess.PIPE, text=True)
    said = ""
    try:
        while "READY=1" not in said.splitlines():
            said += receiver.recv(4096).decode() + "\n"
    except socket.timeout:
        process.kill()
        sys.exit(f"{sys.argv[1]}: no READY=1 within 20 s; it said {said!r} and\n{process.stderr.read()}")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        _, errors = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit(f"{sys.argv[1]}: still there 5 s after SIGTERM")
    if process.returncode != 0:
        sys.exit(f"{sys.argv[1]}: exit {process.returncode} after SIGTERM\n{errors}")
    print(f"{os.path.basename(sys.argv[1])}: READY=1, ended {time.monotonic() - began:.2f} s after SIGTERM")

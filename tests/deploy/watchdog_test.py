#!/usr/bin/env python3
"""Stands in for systemd: hears what an agent says to its manager, and from which process.

  watchdog_test.py PROGRAM ARGUMENT…

WATCHDOG=1 comes twice in WatchdogSec= at least, and not while the process stands still; STATUS= tells of the
server; a SIGHUP says RELOADING=1, then MAINPID= and READY=1 of the new process, which feeds the watchdog from then on.
"""
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

WATCHDOG = 0.4


class Manager:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(path)
        self.unread = []  # heard, and after what was waited for

    def hear(self, seconds):
        """(pid, line) of all that is said within that time."""
        said = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, extra, _, _ = self.socket.recvmsg(4096, 4096)
            except socket.timeout:
                break
            pid = next(struct.unpack("3i", d)[0] for _, kind, d in extra if kind == socket.SCM_CREDENTIALS)
            for _, kind, d in extra:
                if kind == socket.SCM_RIGHTS:  # a barrier: closing it is the answer
                    for fd in struct.unpack(f"{len(d) // 4}i", d):
                        os.close(fd)
            said += [(pid, line) for line in data.decode().splitlines()]
        return said

    def await_line(self, start, seconds):
        heard = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = self.unread + self.hear(0.1)
            for i, (pid, line) in enumerate(said):
                if line.startswith(start):
                    self.unread = said[i + 1:]
                    return pid, line
            heard += said
            self.unread = []
        sys.exit(f"no {start} within {seconds} s; heard {heard}")


def beats(said, pid):
    return sum(1 for who, line in said if who == pid and line == "WATCHDOG=1")


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "notify")
    manager = Manager(path)
    environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}
    process = subprocess.Popen(sys.argv[1:], env=environment, stderr=subprocess.DEVNULL)
    alive = process.pid
    try:
        manager.await_line("READY=1", 20)
        manager.await_line("STATUS=attached to ", 10)
        first = beats(manager.hear(2), process.pid)
        if first < 2 / WATCHDOG * 1.5:
            sys.exit(f"the watchdog was fed {first} times in 2 s")
        os.kill(process.pid, signal.SIGSTOP)
        manager.hear(0.1)
        starved = beats(manager.hear(1), process.pid)
        os.kill(process.pid, signal.SIGCONT)
        if starved:
            sys.exit("a process that stands still feeds the watchdog")
        process.send_signal(signal.SIGHUP)
        manager.await_line("RELOADING=1", 5)
        pid, line = manager.await_line("MAINPID=", 20)
        alive = pid
        if line != f"MAINPID={pid}" or pid == process.pid:
            sys.exit(f"{line} was said by {pid}")
        second = beats(manager.hear(2), pid)
        if second < 2 / WATCHDOG * 1.5:
            sys.exit(f"the new process fed the watchdog {second} times in 2 s")
        if process.wait(timeout=10) != 0:
            sys.exit("the old process failed")
        print(f"watchdog: fed {first} times in 2 s, 0 times while stopped, {second} times by a successor")
    finally:
        os.kill(alive, signal.SIGTERM)
        manager.hear(1.5)

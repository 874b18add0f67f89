#!/usr/bin/env python3
"""Records one handover between two agents, and prepares the guests that cross in it.

  record.py guests DIR      makes the connections, prints "ready", holds them until its input ends
  record.py relay DIR OUT   stands between CONTROL.handover and whoever takes over; writes a file a frame

record.sh tells what they are for. A frame: 4 bytes length of the message, 4 bytes number of descriptors,
both big endian, the message.
"""
import os
import select
import socket
import struct
import sys

# Field numbers of handover.v1.Message: also the names of the files.
NAMES = {1: "begin", 2: "refusal", 3: "offer", 4: "request", 5: "numbers", 6: "connections", 7: "prepared",
         8: "go", 9: "serving"}


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    s.settimeout(10)
    return s


def exactly(s, n):
    data = b""
    while len(data) < n:
        piece = s.recv(n - len(data))
        if not piece:
            sys.exit("record.py: a connection was closed")
        data += piece
    return data


def asks(s, command, n):
    s.sendall(command)
    exactly(s, n)
    return s


def guests(directory):
    """README.md lists what each of these is, in this order."""
    at = lambda name: os.path.join(directory, name)
    held = []
    held.append(asks(connect(at("gold.sock")), bytes([2, 64]), 64))
    s = asks(connect(at("gold.sock")), bytes([2, 16]), 16)
    s.sendall(bytes([2]))
    held.append(s)
    s = asks(connect(at("gold.sock")), bytes([2, 1]), 1)
    s.sendall(bytes([3, 0, 8, 8]) + b"abc")
    held.append(s)
    s = connect(at("secret.sock"))
    s.sendall(bytes([2, 255]) * 10 + bytes([1, 7]) * 2 + bytes([2, 9]))
    held.append(s)
    s = connect(at("secret.sock"))
    s.sendall(bytes([2, 16]))
    s.shutdown(socket.SHUT_WR)
    held.append(s)
    gone = asks(connect(at("web1.sock")), bytes([2, 200]), 200)
    held.append(asks(connect(at("web1.sock")), bytes([2, 32]), 32))
    gone.close()  # what it has had is remembered, as the guest has another connection
    s = connect(at("qemu.sock"))
    exactly(s, 64)
    held.append(s)
    with open(at("libvirt/vm7.xml.new"), "w", encoding="utf-8") as f:
        f.write(f"<domstatus state='running' reason='booted' pid='{os.getpid()}'>\n"
                "  <domain type='kvm' id='1'><name>vm7</name><uuid>00000000-0000-4000-8000-000000000007</uuid>"
                "<metadata><entropyd:backend xmlns:entropyd='urn:entropyd:libvirt:1' model='pool' name='default' "
                "class='slow'/></metadata></domain>\n</domstatus>\n")
    os.rename(at("libvirt/vm7.xml.new"), at("libvirt/vm7.xml"))
    held.append(asks(connect(at("known.sock")), bytes([2, 100]), 100))
    print("ready", flush=True)
    sys.stdin.read()


class Recorder:
    def __init__(self, out, who, counter):
        self.out, self.who, self.counter = out, who, counter
        self.bytes = b""

    def take(self, data):
        self.bytes += data
        while len(self.bytes) >= 8:
            length, _ = struct.unpack(">II", self.bytes[:8])
            if len(self.bytes) < 8 + length:
                return
            frame, self.bytes = self.bytes[:8 + length], self.bytes[8 + length:]
            self.counter[0] += 1
            name = NAMES[frame[8] >> 3]
            path = os.path.join(self.out, f"{self.counter[0]:02}-{self.who}-{name}.bin")
            with open(path, "wb") as f:
                f.write(frame)


def relay(directory, out):
    path = os.path.join(directory, "agent.sock.handover")
    os.rename(path, path + ".real")  # a unix socket is found by its file, whatever that is called
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    print("ready", flush=True)
    taker, _ = listener.accept()
    giver = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    giver.connect(path + ".real")
    counter = [0]
    ways = {taker: (giver, Recorder(out, "taker", counter)), giver: (taker, Recorder(out, "giver", counter))}
    while ways:
        for end in select.select(list(ways), [], [])[0]:
            other, recorder = ways[end]
            data, fds, _, _ = socket.recv_fds(end, 1 << 20, 253)
            if not data:
                return
            recorder.take(data)
            socket.send_fds(other, [data], fds)
            for fd in fds:
                os.close(fd)


{"guests": lambda: guests(sys.argv[2]), "relay": lambda: relay(sys.argv[2], sys.argv[3])}[sys.argv[1]]()

"""pipe.py hold FIFO OUT STOP     reads until the file STOP is there; an end of file ends it, exit 1
pipe.py wait FIFO OUT STOP     likewise, but an end of file is waited over: somebody may come
pipe.py whole FILE…            exit 1 when any 16 bytes occur twice, wherever they lie

A pipe's bytes come in pieces of any length to any of its readers: there is no alignment to hold on to."""
import os
import sys
import time


def repeated(contents):
    seen = set()
    for data in contents:
        windows = {data[at:at + 16] for at in range(len(data) - 15)}
        if len(windows) != max(0, len(data) - 15) or windows & seen:
            return True
        seen |= windows
    return False


def read(fifo, out, stop, patient):
    pipe = os.open(fifo, os.O_RDONLY)
    os.set_blocking(pipe, False)
    ends = 0
    with open(out, "wb") as file:
        while not os.path.exists(stop):
            try:
                piece = os.read(pipe, 512)
            except BlockingIOError:
                piece = None
            if piece:
                file.write(piece)
                file.flush()
            elif piece == b"":
                ends += 1
                if not patient:
                    sys.exit("end of file")
            time.sleep(0.01)
    print(f"read on, {ends} ends of file", flush=True)


if sys.argv[1] == "whole":
    prepared = os.urandom(1000)
    if not repeated([prepared, b"x" + prepared[501:517]]) or repeated([prepared, os.urandom(1000)]):
        sys.exit("the check is blind")
    if repeated([open(name, "rb").read() for name in sys.argv[2:]]):
        sys.exit(f"16 bytes twice in {' '.join(sys.argv[2:])}")
else:
    read(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[1] == "wait")

"""pipe.py hold FIFO OUT STOP     reads until the file STOP is there; an end of file ends it, exit 1
pipe.py wait FIFO OUT STOP     likewise, but an end of file is waited over: somebody may come
"""
import os
import sys
import time


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


read(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[1] == "wait")

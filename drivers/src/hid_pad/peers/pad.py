"""A pad by python-evdev: a real virtual keyboard where the kernel has uinput, else a FIFO into which
its C code writes the same events.

usage: pad.py uinput
       pad.py fifo PATH

Says "ready". Obeys lines on standard input: "press KEY" (KEY_1, KEY_KP5, …: pressed
and released, with what a USB keyboard says around it), "hold KEY" (pressed, repeated twice, released),
"lost" (the kernel dropped events), "raw BYTES" (FIFO only), "unplug", "plug",
"where" (uinput only: says "path PATH").
"""

import os
import sys

from evdev import UInput, _uinput, ecodes

mode = sys.argv[1]


class Fifo:
    def __init__(self, path):
        # Opened both ways, so that nobody has to read yet.
        self.fd = os.open(path, os.O_RDWR)

    def write(self, kind, code, value):
        _uinput.write(self.fd, kind, code, value)

    def syn(self):
        _uinput.write(self.fd, ecodes.EV_SYN, ecodes.SYN_REPORT, 0)

    def close(self):
        os.close(self.fd)


def plug():
    if mode == "fifo":
        return Fifo(sys.argv[2])
    return UInput(name="Zhiban test pad", vendor=0x1234, product=0x5678, version=0x0110)


def key(code, *values):
    for value in values:
        pad.write(ecodes.EV_MSC, ecodes.MSC_SCAN, 0x70000 + code)
        pad.write(ecodes.EV_KEY, code, value)
        pad.syn()


pad = plug()
print("ready", flush=True)
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "press":
        key(ecodes.ecodes[rest], 1, 0)
    elif word == "hold":
        key(ecodes.ecodes[rest], 1, 2, 2, 0)
    elif word == "lost":
        pad.write(ecodes.EV_SYN, ecodes.SYN_DROPPED, 0)
    elif word == "raw":
        os.write(pad.fd, bytes.fromhex(rest))
    elif word == "unplug":
        pad.close()
    elif word == "plug":
        pad = plug()
    elif word == "where":
        print("path", pad.device.path, flush=True)
    print("done", line.strip(), flush=True)

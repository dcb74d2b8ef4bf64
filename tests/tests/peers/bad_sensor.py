"""A Modbus RTU sensor on a pseudo terminal, with pymodbus' own checksum, whose answers can be spoiled.

Says the path of its terminal first, then "asked N" for every request. Obeys
    good TENTHS      from now on the temperature is this, the sum right
    corrupt TENTHS   from now on it is this, the sum wrong
and says "done". The registers are those of an XY-MD02: input 1 temperature, 2 humidity.
"""

import os
import struct
import sys
import threading
import tty

from pymodbus.framer.rtu import FramerRTU

ours, theirs = os.openpty()
tty.setraw(ours)
tty.setraw(theirs)
state = {"tenths": 225, "spoil": 0}
print(os.ttyname(theirs), flush=True)


def obey():
    for line in sys.stdin:
        order, tenths = line.split()
        state.update(tenths=int(tenths), spoil=0x5A if order == "corrupt" else 0)
        print("done", flush=True)
    os._exit(0)


threading.Thread(target=obey, daemon=True).start()
buffer, asked = b"", 0
while True:
    buffer += os.read(ours, 256)
    while len(buffer) >= 8:
        request, buffer = buffer[:8], buffer[8:]
        unit, function, address, count = struct.unpack(">BBHH", request[:6])
        words = {1: state["tenths"], 2: 450}
        values = b"".join(struct.pack(">h", words[n]) for n in range(address, address + count))
        answer = struct.pack(">BBB", unit, function, len(values)) + values
        total = FramerRTU.compute_CRC(answer) ^ state["spoil"]
        os.write(ours, answer + struct.pack(">H", total))
        asked += 1
        print("asked", asked, flush=True)

"""alphasignpy as encoder: each line is an order, each answer the bytes of a packet in hex.

An order is `<type> <address> <file> <position> <mode> <text in hex>`; the second to fourth are
written as they stand in the packet. The marks for delays, FF, are never sent and taken out.
"""
import sys

from alphasign.commands.text import WriteText
from alphasign.packet import Packet
from alphasign.protocol import DELAY, DisplayMode, DisplayPosition

print("ready", flush=True)
for line in sys.stdin:
    kind, address, file, position, mode, text = line.split()
    command = WriteText(
        bytes.fromhex(text[1:]),
        label=file,
        position=DisplayPosition(bytes.fromhex(position)),
        mode=DisplayMode(mode.encode()),
    )
    packet = Packet(type_code=kind.encode(), address=address).add(command)
    print(packet.to_bytes().replace(DELAY, b"").hex(), flush=True)

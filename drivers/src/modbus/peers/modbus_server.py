"""A pymodbus server our driver is tested against.

usage: modbus_server.py tcp PORT UNIT ADDRESS=VALUE...
       modbus_server.py serial PATH UNIT ADDRESS=VALUE...

Says "ready" when it listens and "asked FUNCTION ADDRESS COUNT" for every request. Obeys lines on
standard input: "set ADDRESS VALUE", "late SECONDS" (the next answer only), "refuse CODE" (0: no more),
"short 1" (answers lack a word), "as UNIT" (TCP: answers name another unit; 0: no more).
A unit it does not have is refused with exception 4.
"""

import asyncio
import logging
import sys

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# What it is made to do here it would log as its own errors.
logging.disable(logging.CRITICAL)

values = {}
orders = {"late": 0.0, "refuse": 0, "short": 0, "as": 0}


def say(*words):
    print(*words, flush=True)


async def answer(function_code, start_address, address, count, current, set_values):
    say("asked", function_code, address, count)
    for register in range(address, address + count):
        if register in values:
            current[register - start_address] = values[register]
    late, orders["late"] = orders["late"], 0.0
    await asyncio.sleep(late)
    return ExcCodes(orders["refuse"]) if orders["refuse"] else None


def tamper_with_words(sending, pdu):
    if sending and orders["short"]:
        pdu.registers = pdu.registers[:-1]
    return pdu


def tamper_with_unit(sending, packet):
    if sending and orders["as"]:
        return packet[:6] + bytes([orders["as"]]) + packet[7:]
    return packet


async def obey(stream):
    while line := (await stream.readline()).decode().split():
        if line[0] == "set":
            values[int(line[1])] = int(line[2])
        elif line[0] == "late":
            orders["late"] = float(line[1])
        else:
            orders[line[0]] = int(line[1])
        say("done", *line)


async def main(kind, place, unit, *registers):
    values.update((int(a), int(v)) for a, v in (r.split("=") for r in registers))
    first, last = min(values), max(values)
    block = SimData(first, count=last - first + 1, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(id=int(unit), simdata=[block], action=answer)
    hooks = {"trace_pdu": tamper_with_words}
    if kind == "tcp":
        hooks["trace_packet"] = tamper_with_unit
        server = ModbusTcpServer(device, address=("127.0.0.1", int(place)), **hooks)
    else:
        server = ModbusSerialServer(
            device, port=place, framer=FramerType.RTU, baudrate=9600, **hooks
        )
    await server.serve_forever(background=True)
    say("ready")
    stream = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await obey(stream)


asyncio.run(main(*sys.argv[1:]))

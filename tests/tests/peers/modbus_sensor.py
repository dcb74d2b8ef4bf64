"""A climate sensor by pymodbus over TCP: XY-MD02 class, 22.5 degrees and 45.0 %.

usage: modbus_sensor.py PORT
Says "ready" when it listens. "set TENTHS" on standard input changes the temperature.
"""

import asyncio
import logging
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

logging.disable(logging.CRITICAL)
values = {1: 225, 2: 450}


async def answer(function_code, start_address, address, count, current, set_values):
    for register in range(address, address + count):
        if register in values:
            current[register - start_address] = values[register]


async def main(port):
    block = SimData(1, count=2, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(id=1, simdata=[block], action=answer)
    server = ModbusTcpServer(device, address=("127.0.0.1", int(port)))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    stream = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(stream)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := (await stream.readline()).decode().split():
        values[1] = int(line[1])
        print("done", flush=True)


asyncio.run(main(*sys.argv[1:]))

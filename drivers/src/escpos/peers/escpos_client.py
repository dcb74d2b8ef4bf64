"""Asks a printer with python-escpos. Orders: `query <n>`, `online`, `paper`; each is answered by one
line. Usage: escpos_client.py <port>
"""

import sys

from escpos.constants import RT_STATUS
from escpos.printer import Network

printer = Network("127.0.0.1", port=int(sys.argv[1]), timeout=5)
printer.open()
print("ready", flush=True)
for line in sys.stdin:
    order, *args = line.split()
    if order == "query":
        answer = printer.query_status(RT_STATUS + bytes([int(args[0])])).hex()
    elif order == "online":
        answer = printer.is_online()
    elif order == "paper":
        answer = printer.paper_status()
    else:
        answer = f"unknown order {order}"
    print(answer, flush=True)

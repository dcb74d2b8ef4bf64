"""A queue host as the old screen framework knew them: it connects, writes lines, reads statuses.

usage: queue_host.py HOST PORT [BIND]

Obeys lines on standard input: "send TEXT" (GBK, no end of line), "line TEXT" (with a newline),
"utf8 TEXT", "hex BYTES", "pieces TEXT" (byte by byte, without a pause), "close" (its sending side).
"read N" says "answer BYTES" for the next N bytes, "end" when the service closes.
"connect" opens another connection and forgets the old one.
"""

import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
source = (sys.argv[3], 0) if len(sys.argv) > 3 else None
kept = []


def connect():
    for _ in range(500):
        try:
            connection = socket.create_connection((host, port), 20, source)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept.append(connection)
            return connection
        except OSError:
            time.sleep(0.02)
    raise SystemExit("no connection")


def read(count):
    answer = b""
    try:
        while len(answer) < count and (more := connection.recv(count - len(answer))):
            answer += more
    except ConnectionError:
        pass
    return f"answer {answer.decode()}" if answer else "end"


connection = connect()
print("ready", flush=True)
for order in sys.stdin:
    word, _, text = order.rstrip("\n").partition(" ")
    if word == "send":
        connection.sendall(text.encode("gbk"))
    elif word == "line":
        connection.sendall(text.encode("gbk") + b"\n")
    elif word == "utf8":
        connection.sendall(text.encode())
    elif word == "hex":
        connection.sendall(bytes.fromhex(text))
    elif word == "pieces":
        for byte in text.encode("gbk"):
            connection.sendall(bytes([byte]))
    elif word == "close":
        connection.shutdown(socket.SHUT_WR)
    elif word == "connect":
        connection = connect()
    elif word == "read":
        print(read(int(text)), flush=True)

"""Callers on one line behind a serial-to-Ethernet converter: a TCP server and a frame encoder of its own.

usage: caller.py PORT

Says "ready" when it listens, "connected" for a connection, "got ADDR CMD DATA" (hex) for every frame.
Obeys lines on standard input, bytes in hex:
"say ADDR CMD DATA"       sends a frame
"raw BYTES"               sends bytes
"bad ADDR CMD DATA"       sends a frame with a wrong sum
"answer CMD ADDR CMD DATA"   sends that frame for every frame of CMD to ADDR; "answer CMD ADDR" no more
"late SECONDS"            answers take so long
"drop 1"                  closes the connection
"""

import socket
import sys
import threading
import time

out = threading.Lock()
wire = threading.Lock()
answers = {}
state = {"late": 0.0, "connection": None}


def say(*words):
    with out:
        print(*words, flush=True)


def frame(address, command, data, off=0):
    content = bytes([address, command]) + data
    length = len(content)
    return bytes([0xFF, 0x68, length, length, 0x68]) + content + bytes([(sum(content) + off) % 256, 0x16])


def send(data):
    with wire:
        if state["connection"]:
            state["connection"].sendall(data)


def frames(buffer):
    """Takes whole frames off the front; whatever else is there is thrown away."""
    while True:
        start = buffer.find(b"\xff\x68")
        if start < 0:
            return
        del buffer[:start]
        if len(buffer) < 5 or len(buffer) < buffer[2] + 7:
            return
        content = bytes(buffer[5 : 5 + buffer[2]])
        good = buffer[2] == buffer[3] and buffer[5 + buffer[2]] == sum(content) % 256
        del buffer[: buffer[2] + 7]
        if good:
            yield content


def listen(connection):
    buffer = bytearray()
    try:
        while data := connection.recv(1024):
            buffer += data
            for content in frames(buffer):
                say("got", content[0], f"{content[1]:02X}", content[2:].hex().upper())
                answer = answers.get((content[1], content[0]))
                if answer:
                    time.sleep(state["late"])
                    send(answer)
    except OSError:
        pass


def accept(server):
    while True:
        connection, _ = server.accept()
        state["connection"] = connection
        threading.Thread(target=listen, args=(connection,), daemon=True).start()
        say("connected")


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=accept, args=(server,), daemon=True).start()
say("ready")
for line in sys.stdin:
    word, *rest = line.split()
    if word == "say":
        send(frame(int(rest[0]), int(rest[1], 16), bytes.fromhex("".join(rest[2:]))))
    elif word == "bad":
        send(frame(int(rest[0]), int(rest[1], 16), bytes.fromhex("".join(rest[2:])), 1))
    elif word == "raw":
        send(bytes.fromhex("".join(rest)))
    elif word == "answer":
        key = (int(rest[0], 16), int(rest[1]))
        answers[key] = frame(key[1], int(rest[2], 16), bytes.fromhex("".join(rest[3:]))) if rest[2:] else None
    elif word == "late":
        state["late"] = float(rest[0])
    elif word == "drop":
        state["connection"].shutdown(socket.SHUT_RDWR)
        state["connection"].close()
    say("done", line.strip())

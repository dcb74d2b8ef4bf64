"""Answers as the recorded FQM did: arguments are port, folder of traces, first trace.

Orders: `play NAME` goes to another trace, `bytes` sends every answer in single bytes from now on,
`garble` answers what is no JSON until the next `play`, `old N` puts N tickets of the day before in
front of the recorded ones. A path that is not in the trace is a 404.
Only the token `recorded` is taken.
"""
import http.server
import json
import pathlib
import sys
import threading

port, folder, name = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
printing = threading.Lock()
SWAGGER = '{"info": {"title": "FQM API", "version": "1.0", "description": "Free Queue Manage API"}}'


def read(name):
    answers, path, head, body = {}, None, [], []
    for line in (folder / f"{name}.txt").read_text().splitlines() + ["> GET end"]:
        if line.startswith("> "):
            if path:
                answers[path] = (int(head[0]), head[1:], "\n".join(body))
            path, head, body = line.split()[2], [], []
        elif line.startswith("< "):
            head.append(line[2:])
        elif path and not line.startswith("= "):
            body.append(line)
    answers["/api/v1/swagger.json"] = (200, [], SWAGGER)
    return answers


def with_old(answers, count):
    """The same with older tickets in front; ids and chunks are those FQM would give then."""
    listed = "/api/v1/tickets/?chunk="
    recorded = [ticket for path, answer in sorted(answers.items()) if path.startswith(listed)
                for ticket in json.loads(answer[2])]
    heads = answers[listed + "1"][1]
    day_before = "2026-11-21T05:00:00.000000"
    old = [dict(recorded[0], id=at + 2, timestamp=day_before, p=True, pdt=day_before,
                status="Processed") for at in range(count)]
    tickets = old + [dict(ticket, id=ticket["id"] + count) for ticket in recorded]
    for chunk in range(len(tickets) // 30 + 40):
        body = json.dumps(tickets[30 * chunk:30 * chunk + 30])
        answers[f"{listed}{chunk + 1}"] = (200, heads, body)
    return answers


class State:
    answers, refused = read(name), read("06_refused")
    in_bytes, garbled = False, False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answers = State.answers
        if self.headers.get("Authorization") != "recorded":
            answers = State.refused
        status, heads, body = answers.get(self.path, (404, [], '{"message": "not recorded"}'))
        body = (body[:40] + "]]" if State.garbled else body).encode()
        head = [f"HTTP/1.1 {status} x", *heads, f"Content-Length: {len(body)}", "Connection: close"]
        answer = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        pieces = [answer[at:at + 1] for at in range(len(answer))] if State.in_bytes else [answer]
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    match line.split():
        case ["play", name]:
            State.answers, State.garbled = read(name), False
        case ["old", count]:
            State.answers = with_old(State.answers, int(count))
        case ["bytes"]:
            State.in_bytes = True
        case ["garble"]:
            State.garbled = True
    with printing:
        print("done " + line.strip(), flush=True)

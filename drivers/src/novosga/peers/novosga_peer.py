"""A NovoSGA in small: token, tickets of unit 1, panel, and the Mercure hub, in the shapes of
novosga/novosga@e683e6b (see the README of the driver). Its clock stands at 2026-11-22 09:00 in Sao
Paulo and goes on ten seconds with every order. The argument is the port.

    issue TICKET SERVICE WEIGHT    call TICKET PLACE USER    recall TICKET    start TICKET
    finish TICKET    no-show TICKET    cancel TICKET    reactivate TICKET
    redirect TICKET SERVICE (sent on)    move TICKET SERVICE (while waiting)
    no-panel, panel   calls do not reach the panel; they do, with those that did not
    expire            the token is no longer taken
    hub off, hub on   the hub ends its streams and takes no new ones; it does again
    garble, clear     answers are no JSON; they are again
    bytes             answers come in single bytes
    yesterday N       N tickets of the day before, in front
    many N            N tickets at once
    move-all SERVICE  all of them
"""
import datetime
import http.server
import json
import queue
import sys
import threading
import urllib.parse

port = int(sys.argv[1])
SERVICES = {1: "Caixa", 2: "Novas contas"}


class State:
    lock = threading.Lock()
    now = datetime.datetime(2026, 11, 22, 9, 0, 0)
    tickets, panel, held = [], [], None
    tokens, given = set(), 0
    listeners, hub = [], True
    garbled, in_bytes = False, False
    grants = {"grant_type": "password", "client_id": "hall", "client_secret": "hush",
              "username": "hall", "password": "hush hush"}


def text(time):
    return time and time.strftime("%Y-%m-%dT%H:%M:%S")


def atendimento(ticket):
    number = ticket["number"]
    return {
        "id": ticket["id"],
        "senha": {"sigla": number[0], "numero": int(number[1:]), "format": number},
        "servico": {"id": ticket["service"], "nome": SERVICES[ticket["service"]]},
        "observacao": None, "dataChegada": text(ticket["came"]),
        "dataChamada": text(ticket["called"]), "dataInicio": text(ticket["started"]),
        "dataFim": text(ticket["ended"]), "dataAgendamento": None, "tempoEspera": "00:00:10",
        "prioridade": {"id": 1, "nome": "x", "descricao": "", "peso": ticket["weight"],
                       "cor": None, "ativo": True, "createdAt": None, "updatedAt": None,
                       "deletedAt": None},
        "status": ticket["status"], "resolucao": None, "cliente": {"id": 9, "nome": "Maria Oliveira"}, "triagem": "hall",
        "usuario": ticket["user"], "hash": "0",
    }


def line(call):
    number, place, service = call
    return {"numeroSenha": int(number[1:]), "siglaSenha": number[0], "mensagem": "",
            "local": "Guiche", "numeroLocal": place, "peso": 0, "prioridade": "x",
            "nomeCliente": "Maria Oliveira", "documentoCliente": "123",
            "servico": {"id": service, "nome": SERVICES[service], "descricao": "", "ativo": True,
                        "peso": 1}}


def publish(topic, data):
    for topics, events in list(State.listeners):
        if topic in topics:
            events.put(f"id: urn:uuid:{len(State.panel)}\ndata: {json.dumps(data)}\n\n")


def changed(ticket, topic="fila"):
    publish(f"/unidades/1/{topic}", {"id": ticket["id"]})


def find(number):
    return [ticket for ticket in State.tickets if ticket["number"] == number][-1]


def new(number, service, weight, came):
    ticket = {"id": len(State.tickets) + 1, "number": number, "service": service,
              "weight": weight, "came": came, "called": None, "started": None, "ended": None,
              "status": "emitida", "user": None, "place": None}
    State.tickets.append(ticket)
    return ticket


def show(ticket):
    call = (ticket["number"], ticket["place"], ticket["service"])
    if State.held is None:
        State.panel.append(call)
        changed(ticket, "painel")
    else:
        State.held.append((call, ticket))


def obey(words):
    now = State.now
    match words:
        case ["issue", number, service, weight]:
            changed(new(number, int(service), int(weight), now))
        case ["call", number, place, user]:
            ticket = find(number)
            ticket.update(status="chamado", called=now, place=int(place), user=user)
            changed(ticket)
            show(ticket)
        case ["recall", number]:
            show(find(number))
        case ["start", number]:
            find(number).update(status="iniciado", started=now)
            changed(find(number))
        case [("finish" | "no-show" | "cancel") as end, number]:
            status = {"finish": "encerrado", "no-show": "nao_compareceu", "cancel": "cancelada"}
            find(number).update(status=status[end], ended=now)
            changed(find(number))
        case ["reactivate", number]:
            find(number).update(status="emitida", ended=None, user=None)
            changed(find(number))
        case ["redirect", number, service]:
            ticket = find(number)
            ticket.update(status="erro_triagem", ended=now)
            sent_on = new(number, int(service), ticket["weight"], now)
            publish("/unidades/1/fila", {"originalId": ticket["id"], "novoId": sent_on["id"]})
        case ["move", number, service]:
            find(number).update(service=int(service))
            changed(find(number))
        case ["no-panel"]:
            State.held = []
        case ["panel"]:
            held, State.held = State.held, None
            for call, ticket in held:
                State.panel.append(call)
                changed(ticket, "painel")
        case ["expire"]:
            State.tokens.clear()
        case ["hub", "off"]:
            State.hub = False
            for _, events in State.listeners:
                events.put(None)
            State.listeners.clear()
        case ["hub", "on"]:
            State.hub = True
        case ["garble"]:
            State.garbled = True
        case ["clear"]:
            State.garbled = False
        case ["bytes"]:
            State.in_bytes = True
        case ["many", count]:
            for number in range(int(count)):
                new(f"M{number:04}", 1, 0, now)
        case ["move-all", service]:
            for ticket in State.tickets:
                ticket.update(service=int(service))
        case ["yesterday", count]:
            before = now - datetime.timedelta(days=1)
            for number in range(int(count)):
                new(f"Y{number:03}", 1, 0, before)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        if self.path != "/api/token":
            return self.answer(404, {"error": "not found"})
        if form != State.grants:
            return self.answer(401, {"error": "invalid_client",
                                     "message": "Client authentication failed"})
        State.given += 1
        token = f"token-{State.given}"
        State.tokens.add(token)
        self.answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": token,
                          "refresh_token": "x"})

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/.well-known/mercure":
            return self.stream(query.get("topic", []))
        if self.headers.get("Authorization", "").removeprefix("Bearer ") not in State.tokens:
            return self.answer(401, {"message": "The resource owner denied the request."})
        with State.lock:
            match url.path:
                case "/api":
                    body = {"status": "ok", "time": 0, "mercureUrl": "http://hub"}
                case "/api/unidades/1/atendimentos":
                    body = [atendimento(ticket) for ticket in State.tickets]
                case "/api/unidades/1/painel":
                    services = query["servicos"][0].split(",")
                    calls = [dict(line(call), id=at + 1) for at, call in enumerate(State.panel)
                             if str(call[2]) in services]
                    body = calls[::-1][:10]
                case _:
                    return self.answer(404, {"error": "not found"})
        self.answer(200, body)

    def stream(self, topics):
        if not State.hub:
            return self.answer(503, {})
        events = queue.Queue()
        events.put(":\n\n")
        State.listeners.append((topics, events))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         b"Connection: close\r\n\r\n")
        self.close_connection = True
        while (event := events.get()) is not None:
            try:
                self.wfile.write(event.encode())
                self.wfile.flush()
            except OSError:
                return

    def answer(self, status, body):
        body = json.dumps(body).encode()
        if State.garbled and status == 200:
            body = body[:-2] + b"}}"
        date = (State.now + datetime.timedelta(hours=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        head = (f"HTTP/1.1 {status} x\r\nDate: {date}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode()
        self.close_connection = True
        answer = head + body
        for piece in [answer[at:at + 1] for at in range(len(answer))] if State.in_bytes else [answer]:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
for order in sys.stdin:
    with State.lock:
        State.now += datetime.timedelta(seconds=10)
        obey(order.split())
    print("done " + order.strip(), flush=True)

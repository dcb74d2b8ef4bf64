"""Runs the FQM of a checkout on loopback, with a database of its own, and drives it.

Arguments: checkout, port, folder for the database. FQM is started by its own `run.py` with the
Python of `<checkout>/venv`; what is printed is `ready`, then `done <order>` for each order:

    issue TASK          a customer takes a ticket
    pull OFFICE         an office takes the next ticket
    again ID OFFICE     an office pulls a certain ticket
    status ID STATUS    an operator sets a status by the form of the panel
    reset               all tickets are deleted
    stop, start         the server goes and comes back
"""
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request

checkout, port, folder = sys.argv[1:4]
python = os.path.join(checkout, "venv", "bin", "python")
database = os.path.join(folder, "fqm.sqlite")
base = f"http://127.0.0.1:{port}"
TOKEN = "0123456789abcdef0123456789abcdef"
environment = dict(os.environ, DATABASE_URI=f"sqlite:///{database}?check_same_thread=False")

SEED = f"""
from app.main import bundle_app
app = bundle_app({{'MIGRATION': True}})
from app.main import create_db
create_db(app)
with app.app_context():
    from app.middleware import db
    from app.database import AuthTokens, BackgroundTask, Office, Serial, Task, Touch_store
    # No printer, and no asking of a speech service.
    Touch_store.get().n = True
    for task in BackgroundTask.query.all():
        task.enabled = False
    offices = [Office('first'), Office('second')]
    tasks = [Task('cash'), Task('new line')]
    db.session.add_all(offices + tasks)
    db.session.commit()
    for task in tasks:
        task.offices.extend(offices)
    token = AuthTokens('hall')
    token.token = '{TOKEN}'
    db.session.add_all([token, Serial(number=100, p=True, office_id=1, task_id=1)])
    db.session.commit()
"""


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    head = {"Authorization": TOKEN, "Content-Type": "application/json"}
    request = urllib.request.Request(base + path, data, head, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def start():
    arguments = [python, "run.py", "--cli", "--quiet", "--ip", "127.0.0.1", "--port", port]
    server = subprocess.Popen(
        arguments, cwd=checkout, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    for _ in range(200):
        try:
            ask("GET", "/api/v1/tasks/")
            return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    sys.exit("FQM did not start")


def set_status(ticket, status):
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute("update serials set status = ? where id = ?", (status, ticket))
        if status == "Waiting":
            connection.execute("update serials set p = 0 where id = ?", (ticket,))


def obey(words):
    global server
    match words:
        case ["issue", task]:
            ask("POST", "/api/v1/tickets/", {"task_id": int(task), "n": True, "name": "x"})
        case ["pull", office]:
            ask("GET", f"/api/v1/tickets/pull?office_id={office}")
        case ["again", ticket, office]:
            ask("GET", f"/api/v1/tickets/pull?ticket_id={ticket}&office_id={office}")
        case ["status", ticket, status]:
            set_status(int(ticket), status)
        case ["reset"]:
            ask("DELETE", "/api/v1/tickets/")
        case ["stop"]:
            server.kill()
            server.wait()
        case ["start"]:
            server = start()


subprocess.run([python, "-c", SEED], cwd=checkout, env=environment, check=True,
               stdout=subprocess.DEVNULL)
server = start()
try:
    print("ready", flush=True)
    for line in sys.stdin:
        obey(line.split())
        print("done " + line.strip(), flush=True)
finally:
    server.kill()

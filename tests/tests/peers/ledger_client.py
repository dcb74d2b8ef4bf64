"""A device of another maker that numbers its reports and keeps a ledger: paho-mqtt, or plain HTTP.

usage: ledger_client.py PROTOCOL HOST PORT DEVICE SECRET BOOT LEDGER EVERY_MS
       PROTOCOL: 4 (MQTT 3.1.1), 5 (MQTT 5), http

Reports four events of one ticket after another, QoS 1, at most 20 on their way. Sends what is open
again after every reconnect until it is acknowledged; never gives up. The ledger is a file that is
written through, one line each:

    sent SEQ TICKET KIND   before it is on its way for the first time
    acked SEQ SECONDS      acknowledged, by the monotonic clock of the machine
    refused SEQ CODE       acknowledged, and said to be of no use (MQTT 5)

"drain" on standard input: no new reports; says "drained SENT" when nothing is open.
"""

import base64
import http.client
import json
import os
import sys
import threading
import time

import paho.mqtt.client as mqtt

OPEN_MAX = 20
KINDS = ["ticket.issued", "ticket.called", "ticket.started", "ticket.finished"]

protocol, host, port, device, secret, boot, ledger_file, every_ms = sys.argv[1:]
ledger = os.open(ledger_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
ledger_lock = threading.Lock()
draining = threading.Event()


def note(*words):
    with ledger_lock:
        os.write(ledger, (" ".join(map(str, words)) + "\n").encode())


def report(seq):
    ticket, kind = f"{device}-{boot}-{(seq - 1) // 4 + 1}", KINDS[(seq - 1) % 4]
    fields = {"ticket": ticket, "boot": boot, "seq": seq}
    if kind == "ticket.issued":
        fields["queue"] = "A"
    elif kind != "ticket.finished":
        fields["counter"] = "1"
    return ticket, kind, fields


def obey():
    for line in sys.stdin:
        if line.strip() == "drain":
            draining.set()
    # Whoever started us is gone.
    os._exit(0)


def by_mqtt():
    version = mqtt.MQTTv5 if protocol == "5" else mqtt.MQTTv311
    clean = {} if protocol == "5" else {"clean_session": False}
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=device, protocol=version, **clean
    )
    client.username_pw_set(device, secret)
    client.reconnect_delay_set(min_delay=0.05, max_delay=0.2)
    client.max_inflight_messages_set(OPEN_MAX)
    open_reports, room, early = {}, threading.Semaphore(OPEN_MAX), {}
    lock = threading.Lock()

    def settle(seq, code):
        if code >= 0x80:
            note("refused", seq, hex(code))
        else:
            note("acked", seq, time.monotonic())
        room.release()

    def on_publish(client, userdata, mid, reason, properties):
        with lock:
            seq = open_reports.pop(mid, None)
            if seq is None:
                # Acknowledged before publish() gave us its number.
                early[mid] = reason.value
                return
        settle(seq, reason.value)

    client.on_publish = on_publish
    client.connect_async(host, int(port), keepalive=20)
    client.loop_start()
    seq = 0
    while not draining.is_set():
        if not room.acquire(timeout=0.1):
            continue
        seq += 1
        ticket, kind, fields = report(seq)
        note("sent", seq, ticket, kind)
        topic = f"te/device/{device}///e/{kind}"
        # The lock is not held: the library answers from a thread of its own.
        mid = client.publish(topic, json.dumps(fields), qos=1).mid
        with lock:
            code = early.pop(mid, None)
            if code is None:
                open_reports[mid] = seq
        if code is not None:
            settle(seq, code)
        time.sleep(int(every_ms) / 1000)
    while open_reports:
        time.sleep(0.02)
    client.disconnect()
    client.loop_stop()
    return seq


def by_http():
    key = base64.b64encode(f"{device}:{secret}".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    seq = 0
    while not draining.is_set():
        batch = []
        for _ in range(4):
            seq += 1
            ticket, kind, fields = report(seq)
            note("sent", seq, ticket, kind)
            batch.append({"kind": kind, **fields})
        body = json.dumps({"reports": batch})
        while True:
            try:
                connection = http.client.HTTPConnection(host, int(port), timeout=10)
                connection.request("POST", "/api/v1/reports", body, headers)
                answer = connection.getresponse()
                taken = json.loads(answer.read() or b"{}")
                if answer.status == 200 and not taken["dead_lettered"]:
                    break
            except (OSError, http.client.HTTPException, ValueError):
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        for acked in range(seq - 3, seq + 1):
            note("acked", acked, time.monotonic())
        time.sleep(4 * int(every_ms) / 1000)
    return seq


threading.Thread(target=obey, daemon=True).start()
print("started", flush=True)
sent = by_http() if protocol == "http" else by_mqtt()
print("drained", sent, flush=True)

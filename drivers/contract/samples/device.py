#!/usr/bin/env python3
"""A device that speaks the Zhiban device contract, version 1. Needs paho-mqtt 2.

    device.py --host 192.168.1.10 --serial KS-0471 --kind kiosk --key ABCDE-FGHJK
    device.py --host 192.168.1.10 --port 8883 --ca authority.pem --certificate --serial …

The first time it asks to join: it shows a code, which a person types in the panel of the hall. Then
it has its own credential, kept in STATE, and needs no key any more. Lines on standard input are
reports: a kind and a JSON object, such as `kiosk.health {"in_service": true, "paper": "low"}`.

With --ca everything goes through TLS, and the door must be the hall's. With --certificate the
device makes a key of its own and gets a certificate for it instead of a password (needs openssl).
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

import paho.mqtt.client as mqtt

MEASUREMENTS = ("climate", "energy", "people.count", "measurement")
COMMANDS = ("display", "restart")
print_lock = threading.Lock()


def say(*words):
    with print_lock:
        print(*words, flush=True)


class State:
    """What must survive a restart: token, credential, and how often the device was started."""

    def __init__(self, path):
        self.path = path
        self.known = {"token": secrets.token_hex(16), "boot": 0}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.known = json.load(file)

    def save(self, **news):
        self.known.update(news)
        beside = self.path + ".new"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.known, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)


def request(arguments):
    """A key that never leaves the device, and a request to sign it."""
    key = arguments.state + ".key"
    if not os.path.exists(key):
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run(["openssl", "genpkey", *curve, "-out", key], check=True)
        os.chmod(key, 0o600)
    subject = ["-subj", f"/CN={arguments.serial}"]
    made = subprocess.run(
        ["openssl", "req", "-new", "-key", key, *subject], check=True, capture_output=True
    )
    return made.stdout.decode()


def client(arguments, name, password):
    """Without a password the certificate says who it is."""
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
    if password is not None:
        made.username_pw_set(name, password)
    if arguments.ca and password is not None:
        made.tls_set(arguments.ca)
    elif arguments.ca:
        state = arguments.state
        made.tls_set(arguments.ca, certfile=state + ".crt", keyfile=state + ".key")
    return made


def join(arguments, state):
    """Asks to join until a person has decided; gives whether the device was let in."""
    done = threading.Event()
    answers = []
    made = client(arguments, "provision", arguments.key or state.known["token"])

    def on_connect(_client, _data, _flags, reason, _properties):
        if reason.is_failure:
            answers.append({"status": "refused", "reason": f"claim key: {reason}"})
            done.set()
            return
        made.subscribe("provision/response", qos=0)
        ask = {
            "serial": arguments.serial,
            "token": state.known["token"],
            "kind": arguments.kind,
            "vendor": arguments.vendor,
            "model": arguments.model,
            "firmware": arguments.firmware,
        }
        if arguments.certificate:
            ask["csr"] = request(arguments)
        made.publish("provision/request", json.dumps(ask), qos=1)

    def on_message(_client, _data, message):
        answer = json.loads(message.payload)
        if answer["status"] == "pending":
            # From now on, also after a restart, the token opens the door.
            made.username_pw_set("provision", state.known["token"])
            # On a real device: on its display.
            say("code", answer["code"])
        else:
            answers.append(answer)
            done.set()

    made.on_connect, made.on_message = on_connect, on_message
    made.connect(arguments.host, arguments.port)
    made.loop_start()
    done.wait()
    made.disconnect()
    made.loop_stop()
    answer = answers[0]
    if answer["status"] == "approved":
        if "certificate" in answer:
            with open(arguments.state + ".crt", "w", encoding="ascii") as file:
                file.write(answer["certificate"])
        state.save(device=answer["device"], password=answer.get("password"))
        say("joined", answer["device"])
        return True
    say("refused", answer["reason"])
    return False


class Device:
    def __init__(self, arguments, state):
        self.arguments = arguments
        self.name = state.known["device"]
        state.save(boot=state.known["boot"] + 1)
        self.boot = f"boot-{state.known['boot']}"
        self.seq = 0
        self.lock = threading.Lock()
        self.own = f"te/device/{self.name}/"
        self.health = self.own + "service/agent/status/health"
        self.client = client(arguments, self.name, state.known["password"])
        self.client.will_set(self.health, '{"status": "down"}', qos=1)
        self.client.on_connect, self.client.on_message = self.on_connect, self.on_message

    def stamped(self, fields):
        """Every report carries the device's time and its number within this start."""
        with self.lock:
            self.seq += 1
            now = datetime.now(timezone.utc).isoformat()
            return json.dumps({**fields, "time": now, "boot": self.boot, "seq": self.seq})

    def on_connect(self, _client, _data, _flags, reason, _properties):
        if reason.is_failure:
            say("not connected:", reason)
            return
        identity = {
            "vendor": self.arguments.vendor,
            "model": self.arguments.model,
            "serial": self.arguments.serial,
            "firmware": self.arguments.firmware,
        }
        self.client.subscribe(self.own + "//cmd/#", qos=1)
        for command in COMMANDS:
            self.client.publish(f"{self.own}//cmd/{command}", "{}", qos=1, retain=True)
        self.client.publish(self.own + "/", self.stamped(identity), qos=1)
        self.client.publish(self.health, self.stamped({"status": "up"}), qos=1)
        say("connected", self.name)

    def on_message(self, _client, _data, message):
        """A command: begin, do it, say how it went, on the same topic."""
        if not message.payload:
            return
        command = json.loads(message.payload)
        kind = message.topic.split("/")[-2]
        if command.get("status") != "init":
            return
        say("command", kind, json.dumps(command))
        self.client.publish(message.topic, json.dumps({**command, "status": "executing"}), 1, True)
        ended = {**command, "status": "successful"}
        if kind not in COMMANDS:
            ended = {**command, "status": "failed", "reason": f"cannot {kind}"}
        self.client.publish(message.topic, json.dumps(ended), 1, True)

    def report(self, kind, fields):
        channel = "m" if kind in MEASUREMENTS else "e"
        sent = self.client.publish(f"{self.own}//{channel}/{kind}", self.stamped(fields), qos=1)
        # From here on the hall has it on disk.
        sent.wait_for_publish()
        say("stored", kind)

    def run(self):
        self.client.connect(self.arguments.host, self.arguments.port)
        self.client.loop_start()
        for line in sys.stdin:
            kind, _, fields = line.strip().partition(" ")
            if kind:
                self.report(kind, json.loads(fields or "{}"))
        self.client.publish(self.health, self.stamped({"status": "down"}), qos=1).wait_for_publish()
        self.client.disconnect()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--serial", required=True)
    parser.add_argument("--kind", default="kiosk")
    parser.add_argument("--vendor", default="Sample")
    parser.add_argument("--model", default="S-1")
    parser.add_argument("--firmware", default="1.0")
    parser.add_argument("--key", help="claim key, to ask with; who has asked needs it no more")
    parser.add_argument("--ca", help="PEM of the hall's authority, from its panel: speak TLS")
    parser.add_argument("--certificate", action="store_true", help="want one instead of a password")
    parser.add_argument("--state", default="device.json")
    arguments = parser.parse_args()
    if arguments.certificate and not arguments.ca:
        parser.error("--certificate needs --ca")
    state = State(arguments.state)
    state.save()
    if "device" not in state.known and not join(arguments, state):
        sys.exit(1)
    Device(arguments, state).run()


if __name__ == "__main__":
    main()

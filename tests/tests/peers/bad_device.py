"""A device that joins and then breaks the contract wherever it can; for `check-device`."""

import json
import sys
import threading
import time

import paho.mqtt.client as mqtt

port, key = int(sys.argv[1]), sys.argv[2]
joined = threading.Event()
answer = {}


def on_connect(client, *_):
    client.subscribe("provision/response")
    ask = {"serial": "BAD-1", "token": "0123456789abcdef", "kind": "kiosk"}
    client.publish("provision/request", json.dumps(ask), qos=1)


def on_message(_client, _data, message):
    said = json.loads(message.payload)
    if said["status"] == "approved":
        answer.update(said)
        joined.set()


asking = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="BAD-1")
asking.username_pw_set("provision", key)
asking.on_connect, asking.on_message = on_connect, on_message
asking.connect("127.0.0.1", port)
asking.loop_start()
joined.wait()
asking.disconnect()
asking.loop_stop()

name = answer["device"]
device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
device.username_pw_set(name, answer["password"])
topic = f"te/device/{name}///e/"
connects = []


def on_device_connect(client, *_):
    """Counts from 1 again under the same boot each time, as if it had been started anew."""
    connects.append(1)
    for seq in (1, 2):
        again = {"in_service": True, "faults": [str(len(connects))], "boot": "same", "seq": seq}
        client.publish(topic + "kiosk.health", json.dumps(again), qos=1)


device.on_connect = on_device_connect
device.connect("127.0.0.1", port)
device.loop_start()
for seq in (5, 4):
    numbered = {"in_service": True, "boot": "b1", "seq": seq, "time": "2001-01-01T00:00:00Z"}
    device.publish(topic + "kiosk.health", json.dumps(numbered), qos=1)
device.publish(topic + "kiosk.health", json.dumps({"in_service": False}), qos=1)
for number in range(40):
    sale = {"id": f"T-{number}", "kind": "payment", "method": "cash", "succeeded": True}
    device.publish(topic + "kiosk.txn", json.dumps({**sale, "boot": "t", "seq": 1}), qos=1)
device.publish(topic + "kiosk.health", "nonsense", qos=1)
device.publish(topic + "no.such.kind", "{}", qos=1)
time.sleep(60)

"""Walks through the MQTT door with paho-mqtt: PORT SECRET VERSION, device id tm-1.

Prints one line per step; any surprise is an exception and so a failed test.
"""

import socket
import struct
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

PORT, SECRET, VERSION = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
OWN = "te/device/tm-1/"
HEALTH = OWN + "service/agent/status/health"


class Device:
    def __init__(self, secret=SECRET, keepalive=30, will=False, client_id="tm-1"):
        self.messages, self.answers = [], {}
        self.changed = threading.Condition()
        self.connack = None
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5 if VERSION == 5 else mqtt.MQTTv311,
        )
        self.client.username_pw_set("tm-1", secret)
        if will:
            self.client.will_set(HEALTH, '{"status":"down"}', qos=1, retain=True)
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_publish = self.on_answer
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.note(mid, codes)
        self.client.connect("127.0.0.1", PORT, keepalive)
        self.client.loop_start()
        self.wait(lambda: self.connack is not None)

    def on_connect(self, client, userdata, flags, reason, properties):
        with self.changed:
            self.connack, self.properties = reason, properties
            self.changed.notify_all()

    def on_message(self, client, userdata, message):
        with self.changed:
            self.messages.append((message.topic, message.payload, message.qos, message.retain))
            self.changed.notify_all()

    def on_answer(self, client, userdata, mid, reason, properties):
        self.note(mid, reason)

    def note(self, mid, answer):
        with self.changed:
            self.answers[mid] = answer
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, 10):
                raise TimeoutError(f"{self.connack} {len(self.messages)} messages {self.answers}")

    def publish(self, topic, payload, qos=1, retain=False):
        mid = self.client.publish(topic, payload, qos, retain).mid
        self.wait(lambda: mid in self.answers)
        return self.answers[mid]

    def subscribe(self, topic, qos=1):
        mid = self.client.subscribe(topic, qos)[1]
        self.wait(lambda: mid in self.answers)
        return [code.value for code in self.answers[mid]]

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def crash(self):
        sock = self.client.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.loop_stop()
        sock.close()


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")


def refused():
    bad = Device(secret="guess")
    equal(bad.connack.value, 0x86)
    bad.client.loop_stop()
    bad = Device(client_id="a/b")
    equal(bad.connack.value, 0x85)
    bad.client.loop_stop()
    print("refused")


def rights(device):
    forbidden = ReasonCode(PacketTypes.PUBACK, identifier=0x87 if VERSION == 5 else 0)
    equal(device.publish("te/device/tm-2///e/x", "{}").value, forbidden.value)
    equal(device.publish("排队机/1", "{}").value, forbidden.value)
    no = 0x87 if VERSION == 5 else 0x80
    equal(device.subscribe("te/device/tm-2/#"), [no])
    equal(device.subscribe("#"), [no])
    print("rights")


def reports(device):
    for seq in range(1, 201):
        payload = '{"ticket":"A%d","queue":"A","boot":"v%d","seq":%d}' % (seq, VERSION, seq)
        mid = device.client.publish(OWN + "//e/ticket.issued", payload, 1).mid
    device.wait(lambda: mid in device.answers)
    print("reports")


def retained(device):
    for n in range(300):
        device.client.publish(OWN + f"//twin/v{n}", str(n), 1, True)
    equal(device.publish(OWN + "//twin/last", "x", 1, True).value, 0)
    equal(device.subscribe(OWN + "#", 2), [1])
    device.wait(lambda: len(device.messages) >= 301)
    kept = {topic for topic, _, qos, retain in device.messages if retain and qos == 1}
    equal(len(kept), 301)
    device.messages.clear()
    equal(device.publish(OWN + "//twin/last", "", 1, True).value, 0)
    device.wait(lambda: device.messages)
    equal(device.messages[0], (OWN + "//twin/last", b"", 1, False))
    print("retained")


def qos_2():
    device = Device()
    gone = threading.Event()
    device.client.on_disconnect = lambda *a: gone.set()
    if VERSION == 5:
        equal(device.properties.MaximumQoS, 1)
    device.client.publish(OWN + "//e/x", "{}", 2)
    if not gone.wait(10):
        raise AssertionError("QoS 2 was taken")
    device.client.loop_stop()
    print("qos 2 declined")


def will():
    Device(will=True).crash()
    device = Device()
    device.wait(lambda: device.connack.value == 0)
    equal(device.subscribe(HEALTH), [1])
    device.wait(lambda: device.messages)
    equal(device.messages[0], (HEALTH, b'{"status":"down"}', 1, True))
    device.leave()
    print("will")


refused()
walker = Device(keepalive=0)
equal(walker.connack.value, 0)
rights(walker)
reports(walker)
retained(walker)
walker.leave()
qos_2()
will()
print("done")

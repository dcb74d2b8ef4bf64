"""A device by paho-mqtt that does what it is told, one line after another.

usage: paho_device.py PROTOCOL HOST PORT CLIENT_ID USER SECRET [will=TOPIC] [alive=SECONDS]
       PROTOCOL: 4 (MQTT 3.1.1) or 5

Says "connected CODE" first; CODE 0 is good. Then obeys
    publish TOPIC PAYLOAD    says "published CODE" after the PUBACK
    flood N TOPIC PAYLOAD    N times; says "flooded N" after the last PUBACK
    retain N TOPIC PAYLOAD   to TOPIC with 1 to N behind it, retained; says "retained N"
    subscribe FILTER         says "granted CODE"
    leave                    DISCONNECT
and says "message TOPIC PAYLOAD" for what it hears, "lost CODE" when the connection ends.
"""

import sys
import threading
import time

import paho.mqtt.client as mqtt

protocol, host, port, client_id, user, secret, *more = sys.argv[1:]
options = dict(word.split("=", 1) for word in more)
version = mqtt.MQTTv5 if protocol == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
client.username_pw_set(user, secret)
if "will" in options:
    client.will_set(options["will"], b'{"status":"down"}', qos=1)

settled, granted = {}, {}
speaking = threading.Lock()


def say(*words):
    # Two threads speak; print() would mix their words within one line.
    with speaking:
        print(*words, flush=True)


def on_connect(client, userdata, flags, reason, properties):
    say("connected", reason.value)


def on_disconnect(client, userdata, flags, reason, properties):
    say("lost", reason.value)


def on_publish(client, userdata, mid, reason, properties):
    settled[mid] = reason.value


def on_subscribe(client, userdata, mid, reasons, properties):
    granted[mid] = reasons[0].value


def on_message(client, userdata, message):
    say("message", message.topic, message.payload.decode(errors="replace"))


def wait(answers, mid):
    until = time.monotonic() + 10
    while mid not in answers and time.monotonic() < until:
        time.sleep(0.002)
    return answers.pop(mid, "none")


client.on_connect = on_connect
client.on_disconnect = on_disconnect
client.on_publish = on_publish
client.on_subscribe = on_subscribe
client.on_message = on_message
try:
    client.connect(host, int(port), keepalive=int(options.get("alive", 20)))
except OSError as error:
    say("connected", error)
client.loop_start()
for line in sys.stdin:
    words_max = 3 if line.startswith(("flood", "retain")) else 2
    order, *words = line.rstrip("\n").split(" ", words_max)
    if order == "publish":
        say("published", wait(settled, client.publish(words[0], words[1], qos=1).mid))
    elif order == "flood":
        mids = [client.publish(words[1], words[2], qos=1).mid for _ in range(int(words[0]))]
        codes = [wait(settled, mid) for mid in mids]
        say("flooded", len([code for code in codes if code != "none"]))
    elif order == "retain":
        topics = [f"{words[1]}{number}" for number in range(1, int(words[0]) + 1)]
        mids = [client.publish(topic, words[2], qos=1, retain=True).mid for topic in topics]
        say("retained", [wait(settled, mid) for mid in mids].count(0))
    elif order == "subscribe":
        say("granted", wait(granted, client.subscribe(words[0], qos=1)[1]))
    elif order == "leave":
        client.disconnect()
client.loop_stop()

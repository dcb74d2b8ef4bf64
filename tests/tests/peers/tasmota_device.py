"""Messages of a Tasmota plug, written after its public documents, by paho-mqtt. No firmware of
Tasmota's runs here.

usage: tasmota_device.py HOST PORT USER SECRET TOPIC MAC

Says "connected CODE"; discovery and LWT follow at once, as Tasmota does. Then obeys
    sensor TIME C WATTS    tele/TOPIC/SENSOR; says "stored CODE" after the PUBACK
    switch ON|OFF          stat/TOPIC/RESULT, likewise
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt

host, port, user, secret, topic, mac = sys.argv[1:]
# Tasmota's own client id has nothing to do with its user.
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"DVES_{mac[-6:]}")
client.username_pw_set(user, secret)
client.will_set(f"tele/{topic}/LWT", "Offline", qos=1, retain=True)
settled = threading.Event()
code = None


def on_publish(client, userdata, mid, reason, properties):
    global code
    code = reason.value
    settled.set()


def on_connect(client, userdata, flags, reason, properties):
    print("connected", reason.value, flush=True)


def tell(place, payload, retain=False):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    settled.clear()
    client.publish(place, text, qos=1, retain=retain)
    settled.wait(10)


client.on_connect = on_connect
client.on_publish = on_publish
client.connect(host, int(port))
client.subscribe([(f"cmnd/{topic}/#", 0), ("cmnd/tasmotas/#", 0)])
client.loop_start()
config = {
    "ip": "192.168.4.7", "dn": "Plug", "fn": ["Plug", None], "hn": topic, "mac": mac, "md": "Sonoff POW", "ty": 0,
    "if": 0, "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": "13.4.0",
    "t": topic, "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1], "swc": [0], "ver": 1,
}
tell(f"tele/{topic}/LWT", "Online", retain=True)
tell(f"tasmota/discovery/{mac}/config", config, retain=True)
tell(f"tasmota/discovery/{mac}/sensors", {"sn": {"AM2301": {"Temperature": None}}, "ver": 1}, retain=True)
print("announced", flush=True)
for line in sys.stdin:
    order, *words = line.split()
    if order == "sensor":
        time, celsius, watts = words
        air = {"Temperature": float(celsius), "Humidity": 41.0, "DewPoint": 8.1}
        meter = {"TotalStartTime": time, "Total": 3.185, "Power": int(watts), "Voltage": 230, "Current": 0.26}
        tell(f"tele/{topic}/SENSOR", {"Time": time, "AM2301": air, "ENERGY": meter, "TempUnit": "C"})
    else:
        tell(f"stat/{topic}/RESULT", {"Switch1": {"Action": words[0]}})
    print("stored", code, flush=True)
client.loop_stop()

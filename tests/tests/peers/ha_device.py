"""A device in Home Assistant's form by ha-mqtt-discoverable, which does what it is told.

usage: ha_device.py HOST PORT USER SECRET NAME

NAME is the device's; its topics are hmd/<component>/<NAME>/<entity>/... Says "connected", then obeys
    temperature C | power W | pressure HPA    says "stored" after the PUBACKs
    door on|off                               likewise
    here | gone                               availability
    delete pressure                           takes the entity away
and says "status TEXT" for what it hears on homeassistant/status.
"""

import sys
import threading

import paho.mqtt.client as mqtt
from ha_mqtt_discoverable import DeviceInfo, Settings
from ha_mqtt_discoverable.sensors import BinarySensor, BinarySensorInfo, Sensor, SensorInfo

host, port, user, secret, name = sys.argv[1:]
speaking = threading.Lock()


def say(*words):
    with speaking:
        print(*words, flush=True)


# The library gives each entity a connection of its own unless it is given one for all.
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.username_pw_set(user, secret)
client.will_set(f"hmd/sensor/{name}/temperature/availability", "offline", qos=1, retain=True)


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("homeassistant/status")
    say("connected", reason.value)


def on_message(client, userdata, message):
    say("status", message.payload.decode())


client.on_connect = on_connect
client.on_message = on_message
client.reconnect_delay_set(1, 1)
client.connect(host, int(port))
client.loop_start()
# Everything at QoS 1, so that "stored" means stored.
publish = client.publish
pending = []


def publish_safely(topic, payload=None, qos=0, retain=False, properties=None):
    info = publish(topic, payload, 1, retain, properties)
    pending.append(info)
    return info


client.publish = publish_safely
mac = "02:5b:26:" + ":".join(f"{byte:02x}" for byte in name.encode()[:3])
device = DeviceInfo(
    name=name, identifiers=f"sn-{name}", manufacturer="Own Build", model="Hall 1", sw_version="1.2",
    connections=[("mac", mac)],
)


def settings(entity, **more):
    return Settings(mqtt=Settings.MQTT(client=client), entity=entity, **more)


def sensor(entity, device_class, unit, **more):
    info = SensorInfo(
        name=entity, device_class=device_class, unit_of_measurement=unit, unique_id=f"{name}-{entity}",
        device=device, **more.pop("info", {}),
    )
    return Sensor(settings(info, **more), retain=True)


template = {"value_template": "{{ value | float | round(1) }}"}
temperature = sensor("temperature", "temperature", "°C", info=template, manual_availability=True)
power = sensor("power", "power", "W")
pressure = sensor("pressure", "atmospheric_pressure", "hPa")
strange = sensor("strange", None, None, info={"value_template": "{{ value | as_datetime }}"})
door = BinarySensor(
    settings(BinarySensorInfo(name="door", device_class="door", unique_id=f"{name}-door", device=device)),
    retain=True,
)
sensors = {"temperature": temperature, "power": power, "pressure": pressure, "strange": strange}
for line in sys.stdin:
    order, *words = line.split()
    if order == "door":
        door.on() if words[0] == "on" else door.off()
    elif order in ("here", "gone"):
        temperature.set_availability(order == "here")
    elif order == "delete":
        sensors[words[0]].delete()
    else:
        sensors[order].set_state(words[0])
    for info in pending:
        info.wait_for_publish(10)
    pending.clear()
    say("stored")
client.loop_stop()

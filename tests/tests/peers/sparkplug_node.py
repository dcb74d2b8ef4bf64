"""An edge node by pysparkplug, which does what it is told. Its will is at QoS 0 and its births
name no Node Control/Rebirth. Needs the folder paho1 of deploy/setup/peers.sh in PYTHONPATH.

usage: sparkplug_node.py HOST PORT USER SECRET GROUP NODE

Says "born" and then obeys
    temperature C      NDATA by name; says "told"
    alias NUMBER C     NDATA by alias alone
    past C             NDATA of an hour ago, marked as historical
    skip               loses one number
    tank LEVEL         a device below it is born, or says its level
    leave              NDEATH and DISCONNECT
Says "command NAME VALUE" for what it is told by the host, "host ID PAYLOAD" for a host's state.
"""

import sys
import threading
import time

import pysparkplug as spb

host, port, user, secret, group, name = sys.argv[1:]
speaking = threading.Lock()


def say(*words):
    with speaking:
        print(*words, flush=True)


def now():
    return int(time.time() * 1000)


def metric(own, value, datatype=spb.DataType.FLOAT, **more):
    return spb.Metric(timestamp=more.pop("timestamp", now()), name=own, datatype=datatype, value=value, **more)


def on_command(node, message):
    for one in message.payload.metrics:
        say("command", one.name, one.value)


client = spb.Client(username=user, password=secret)
births = [metric("Air/Temperature", 20.5, alias=7), metric("Mode", "auto", spb.DataType.STRING)]
node = spb.EdgeNode(group, name, births, client=client, cmd_callback=on_command)
# The library has no word for the state of a host; its MQTT client has.
paho = client._client


def on_state(client, userdata, message):
    say("host", message.topic.removeprefix("spBv1.0/STATE/"), message.payload.decode())


paho.message_callback_add("spBv1.0/STATE/#", on_state)
node.connect(host, port=int(port))
while not node._connected:
    time.sleep(0.02)
# Said first: the answer to the subscription is heard by another thread.
say("born")
paho.subscribe("spBv1.0/STATE/#", 1)
tank = False
for line in sys.stdin:
    order, *words = line.split()
    if order == "temperature":
        node.update([metric("Air/Temperature", float(words[0]), alias=7)])
    elif order == "alias":
        data = spb.NData(timestamp=now(), seq=node._seq, metrics=(metric(None, float(words[1]), alias=int(words[0])),))
        topic = spb.Topic(message_type=spb.MessageType.NDATA, group_id=group, edge_node_id=name)
        client.publish(spb.Message(topic=topic, payload=data, qos=spb.QoS.AT_MOST_ONCE, retain=False))
    elif order == "past":
        hour_ago = now() - 3_600_000
        node.update([metric("Air/Temperature", float(words[0]), alias=7, timestamp=hour_ago, is_historical=True)])
    elif order == "skip":
        node._seq
    elif order == "tank":
        level = metric("Level", int(words[0]), spb.DataType.INT32)
        if tank:
            node.update_device("tank", [level])
        else:
            node.register(spb.Device("tank", [level]))
        tank = True
    elif order == "leave":
        node.disconnect()
    say("told")

"""Looks for a hall on the network as a new device does, and for its going: STORE."""

import socket
import sys
import threading

from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

store = sys.argv[1]
print_lock = threading.Lock()


def say(*words):
    with print_lock:
        print(*words, flush=True)


class Listener(ServiceListener):
    def add_service(self, zc, kind, name):
        info = zc.get_service_info(kind, name, 5000)
        if info is None:
            return
        said = {key.decode(): (value or b"").decode() for key, value in info.properties.items()}
        if said.get("store") != store:
            return
        address = socket.inet_ntoa(info.addresses[0])
        say("found", kind, info.server, address, info.port, said["tls"], said["ca"])

    def update_service(self, zc, kind, name):
        self.add_service(zc, kind, name)

    def remove_service(self, _zc, kind, name):
        if name.startswith(store + "."):
            say("gone", kind)


network = Zeroconf()
kinds = ["_zhiban._tcp.local.", "_secure-mqtt._tcp.local.", "_mqtt._tcp.local."]
browser = ServiceBrowser(network, kinds, Listener())
sys.stdin.read()

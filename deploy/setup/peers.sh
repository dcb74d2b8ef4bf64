#!/bin/sh
# Installs the foreign peers our tests talk to into one Python environment. Versions are pinned,
# because a peer that changes by itself proves nothing. Safe to run again: does nothing when the
# folder already holds what is listed here.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=${PEERS:-$root/target/peers}
packages='pymodbus==3.16.1 pyserial==3.5 paho-mqtt==2.2.0 alphasignpy==0.1.1 python-escpos==3.1'
packages="$packages evdev-binary==1.9.2 jsonschema==4.26.0 ha-mqtt-discoverable==0.26.0"
packages="$packages zeroconf==0.154.0"
# This one wants an older paho-mqtt than the others, so it lives in a folder of its own.
sparkplug='pysparkplug==0.6.1 paho-mqtt==1.6.1'
node='sparkplug-client@3.2.4'
# The router halls and intakes meet at in a big fleet: as its makers publish it, and of the very
# version we link.
zenoh=$(sed -n '/^name = "zenoh"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$root/Cargo.lock")
stamp=$peers/installed

if [ -x "$peers/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$packages $sparkplug $node zenohd $zenoh" ]; then
    exit 0
fi

mkdir -p "$(dirname "$peers")"
python3 -m venv "$peers"
# shellcheck disable=SC2086  # one word per package
"$peers/bin/python" -m pip install --quiet --disable-pip-version-check $packages
rm -rf "$peers/paho1"
# shellcheck disable=SC2086
"$peers/bin/python" -m pip install --quiet --disable-pip-version-check --target "$peers/paho1" $sparkplug
newer=$("$root/deploy/setup/node.sh")
[ -z "$newer" ] || PATH=$newer:$PATH
npm install --silent --no-audit --no-fund --prefix "$peers/node" "$node"
cargo install --quiet --locked --debug zenohd --version "$zenoh" --no-default-features \
    --features zenoh/transport_tcp --root "$peers/zenohd" --target-dir "$peers/zenohd/build"
rm -rf "$peers/zenohd/build"
printf '%s\n' "$packages $sparkplug $node zenohd $zenoh" >"$stamp"

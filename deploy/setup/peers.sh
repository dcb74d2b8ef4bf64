#!/bin/sh
# Installs the foreign peers our tests talk to into one Python environment. Versions are pinned,
# because a peer that changes by itself proves nothing. Safe to run again: does nothing when the
# folder already holds what is listed here.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=${PEERS:-$root/target/peers}
packages='pymodbus==3.16.1 pyserial==3.5 paho-mqtt==2.2.0 alphasignpy==0.1.1 python-escpos==3.1'
packages="$packages evdev-binary==1.9.2 jsonschema==4.26.0"
stamp=$peers/installed

if [ -x "$peers/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$packages" ]; then
    exit 0
fi

mkdir -p "$(dirname "$peers")"
python3 -m venv "$peers"
# shellcheck disable=SC2086  # one word per package
"$peers/bin/python" -m pip install --quiet --disable-pip-version-check $packages
printf '%s\n' "$packages" >"$stamp"

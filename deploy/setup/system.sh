#!/bin/sh
# Installs what is missing on a Debian machine, and nothing else. Says nothing and asks nobody when
# everything is there; safe to run again.
#
#   system.sh build   what building and the demo need
#   system.sh         what the tests need as well
set -eu

missing=''

# need PACKAGE COMMAND...: the package is needed unless the command succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

has() { command -v "$1"; }
browser() { has chromium || has chromium-browser || has google-chrome; }
# Grepping needs the whole list: fc-list fails when its reader leaves early.
chinese() { [ -n "$(fc-list :lang=zh)" ]; }
postgres_there() { ls /usr/lib/postgresql/*/bin/postgres; }
venv() { python3 -c 'import ensurepip, venv'; }

need build-essential has cc
need make has make
need pkg-config has pkg-config
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need python3 has python3
need fontconfig has fc-list
need fonts-noto-cjk chinese
need python3-venv venv
if [ "${1:-all}" != build ]; then
    need curl has curl
    need chromium browser
    need mosquitto test -x "$(command -v mosquitto || echo /usr/sbin/mosquitto)"
    need mosquitto-clients has mosquitto_pub
    need mbpoll has mbpoll
    need openssl has openssl
    need socat has socat
    need fiu-utils has fiu-run
    need snmpsim has snmpsimd
    need snmp has snmpget
    need postgresql postgres_there
    need systemd has systemd-analyze
    need gnupg has gpg
    need nut-server test -x /lib/nut/upsd
    need user-mode-linux has linux.uml
    need e2fsprogs test -x /sbin/e2fsck
    need faketime has faketime
fi

if ! has cargo >/dev/null; then
    echo "system.sh: Rust is missing: install the current stable toolchain (rustup), then try again" >&2
    exit 1
fi
[ -n "$missing" ] || exit 0

if ! has apt-get >/dev/null; then
    echo "system.sh: not a Debian machine; please install what these packages hold:$missing" >&2
    exit 1
fi
as_root=''
if [ "$(id -u)" != 0 ]; then
    if ! has sudo >/dev/null; then
        echo "system.sh: please run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
}
quietly $as_root apt-get -q update
# shellcheck disable=SC2086  # one word per package
quietly $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y install --no-install-recommends $missing
case $missing in
*' mosquitto '* | *' mosquitto')
    # The tests start their own; the package starts one on the port of our door.
    if has systemctl >/dev/null && [ -d /run/systemd/system ]; then
        $as_root systemctl disable --now mosquitto >/dev/null 2>&1 || true
    fi
    ;;
esac

#!/bin/sh
# What store IT does, from an empty Debian on, written down: a clean debootstrap root, the packages with
# what they depend on, one edit, the first account, a report of a device, the hall seen at the centre,
# backup, restore, doctor. There is no systemd inside a plain root, so the programs are started by hand,
# as their users; what systemd would do with the units is tested by systemd-analyze (tests).
#
#   deploy/transcript.sh TRANSCRIPT      needs root, debootstrap and target/debian/*.deb (make deb)
set -eu

transcript=${1:?usage: transcript.sh TRANSCRIPT}
here=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
root=$place/root
web=127.0.0.1:18443 centre_web=127.0.0.1:18453 door=127.0.0.1:17443
pids=''

finish() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    sleep 2
    umount -l "$root/proc" "$root/dev" 2>/dev/null || true
    rm -rf "$place"
}
trap finish EXIT

# The mirror this machine uses; its name stands nowhere in what is written down.
mirror=$(sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e 's/^deb \(\[[^]]*\] \)\{0,1\}\([a-z]*:[^ ]*\) .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "$1"; }
told() { sed -e "s#$mirror#MIRROR#g" -e "s#$place##g" | tee -a "$transcript"; }
# Shows a command and what it says, and fails where it fails.
do_() {
    printf '\n# %s\n' "$1" | told
    inside "$1" >"$place/said" 2>&1 || { told <"$place/said"; echo "failed: $1" >&2; exit 1; }
    tail -n "${2:-40}" "$place/said" | told
}
note() { printf '\n== %s\n' "$*" | told; }
# Starts a program as its service user.
start() {
    setpriv_user=$1
    chroot "$root" setpriv --reuid "$setpriv_user" --regid "$setpriv_user" --init-groups \
        "/usr/bin/$1" run "/etc/zhiban/${1#zhiban-}.toml" >>"$root/var/log/$1.log" 2>&1 &
    pid=$!
    pids="$pids $pid"
    eval "pid_$(echo "$1" | tr - _)=$pid"
    do_ "$1 health --wait 60"
}
stop() {
    eval "pid=\$pid_$(echo "$1" | tr - _)"
    kill "$pid"
    wait "$pid" || true
}
# Within TLS, and only with the certificate of that program's own authority.
api() { # ORIGIN METHOD PATH BODY JAR
    curl --silent --show-error --fail-with-body --noproxy '*' --cacert "$5.pem" -b "$5" -c "$5" -X "$2" \
        -H "Origin: https://$1" -H 'Content-Type: application/json' ${4:+-d "$4"} "https://$1$3"
}

: >"$transcript"
note "a clean Debian ($suite, minbase)"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$place/said" 2>&1 ||
    { tail -n 20 "$place/said" >&2; exit 1; }
cp -a /etc/apt/sources.list* "$root/etc/apt/" 2>/dev/null || true
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp "$here"/target/debian/zhiban-*.deb "$root/root/"
do_ "dpkg --list | grep -c ^ii"

note "1. install both packages"
do_ "apt-get update" 1
do_ "cd /root && ls zhiban-*.deb && dpkg -i zhiban-gateway_*.deb zhiban-central_*.deb || true" 12
do_ "apt-get install --fix-broken --yes --no-install-recommends" 60
do_ "dpkg --status zhiban-gateway zhiban-central | grep -E '^(Package|Status|Version)'"
do_ "ls -ln /etc/zhiban; grep zhiban /etc/passwd"

note "2. one edit: id of the hall, addresses"
do_ "sed -i -e 's/^store = \"new-hall\"/store = \"zhongshan-lu\"/' -e 's/127.0.0.1:8080/127.0.0.1:18080/' -e 's/0.0.0.0:8443/$web/' /etc/zhiban/gateway.toml
sed -i -e 's/127.0.0.1:8090/127.0.0.1:18090/' -e 's/0.0.0.0:8453/$centre_web/' -e 's/0.0.0.0:7443/$door/' /etc/zhiban/central.toml
printf '\n[zenoh]\nlisten = \"tcp/127.0.0.1:17447\"\n' >> /etc/zhiban/central.toml
sed -i -e 's/127.0.0.1:1883/127.0.0.1:11883/' -e 's/0.0.0.0:8883/127.0.0.1:18883/' /etc/zhiban/gateway.toml
zhiban-gateway check /etc/zhiban/gateway.toml && zhiban-central check /etc/zhiban/central.toml"

note "3. start (systemd does this on a real box; there is none in a plain root)"
inside "install -d -m 700 -o zhiban-gateway -g zhiban-gateway /var/lib/zhiban-gateway
install -d -m 700 -o zhiban-central -g zhiban-central /var/lib/zhiban-central"
start zhiban-central
start zhiban-gateway
do_ "zhiban-gateway setup-code; zhiban-central setup-code"

note "4. first accounts, with the codes"
for at in "$web gateway" "$centre_web central"; do
    origin=${at% *} program=zhiban-${at#* }
    code=$(inside "$program setup-code" | sed 's/.* //')
    openssl x509 -in "$root/var/lib/$program/authority.pem" -out "$place/$program.jar.pem"
    who='"staff":"1001","name":"store IT","password":"korrekt-pferd-7"'
    api "$origin" POST /api/v1/setup "{\"code\":\"$code\",$who}" "$place/$program.jar" >/dev/null
    api "$origin" POST /api/v1/session '{"staff":"1001","password":"korrekt-pferd-7"}' "$place/$program.jar" >/dev/null
    echo "$program: signed in at https://$origin/" | told
done

note "5. one code: the hall joins and is visible at the centre"
do_ "zhiban-central code zhongshan-lu > /root/code && tr A-Z0-9 x < /root/code"
do_ "zhiban-gateway enrol --centre $door < /root/code"
for _ in $(seq 1 60); do
    halls=$(api "$centre_web" GET /api/v1/halls '' "$place/zhiban-central.jar")
    case $halls in *zhongshan-lu*) break ;; esac
    sleep 1
done
echo "$halls" | python3 -m json.tool --no-ensure-ascii | grep -E '"(store|name|version|connected)"' | head -n 6 | told
case $halls in *zhongshan-lu*) ;; *) echo "the hall did not come up at the centre" >&2; exit 1 ;; esac

note "6. backup while it runs; restore"
do_ "mkdir -p /srv/backup && zhiban-gateway backup /srv/backup && ls -l /srv/backup | tail -n 1 | cut -c 1-10"
stop zhiban-gateway
do_ "zhiban-gateway restore /srv/backup/zhiban-gateway_*.tar.gz"
start zhiban-gateway

note "7. doctor, in both languages"
do_ "zhiban-gateway doctor --language en"
do_ "zhiban-gateway doctor --language zh"
do_ "zhiban-central doctor --language en"

note "8. remove; the data stays until a purge"
stop zhiban-gateway
stop zhiban-central
pids=''
do_ "dpkg --remove zhiban-gateway >/dev/null && ls /var/lib/zhiban-gateway | head -n 3; dpkg --purge zhiban-gateway >/dev/null 2>&1; ls -d /var/lib/zhiban-gateway /etc/zhiban/gateway.toml 2>&1 || true"
note "done"

#!/bin/sh
# Breaks each promise once, in a copy of the sources, and expects the test that guards it to fail.
# A test that passes on broken code proves nothing.
#
#   tests/sabotage.sh                 all
#   tests/sabotage.sh early-ack       one: early-ack, no-dedup, no-central-dedup, no-topic-check
#
# Needs the programs and tests built (`make build`, `cargo test --no-run`): what other crates were
# compiled to is taken over, so that only ours are compiled again.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/debug
scratch=${SABOTAGE_DIR:-$root/target/sabotage}
log=$scratch/log
caught=0
missed=''

# plant FILE OLD NEW: replaces the one line that holds OLD.
plant() {
    count=$(grep -cF "$2" "$scratch/src/$1" || true)
    if [ "$count" != 1 ]; then
        echo "sabotage.sh: $1 holds $count lines with \"$2\" and not one: the sabotage must follow the code" >&2
        exit 2
    fi
    OLD=$2 NEW=$3 python3 - "$scratch/src/$1" <<'PYTHON'
import os, sys
path = sys.argv[1]
text = open(path).read()
open(path, "w").write(text.replace(os.environ["OLD"], os.environ["NEW"]))
PYTHON
}

# A copy of the sources as they are, with what others wrote already compiled.
prepare() {
    rm -rf "$scratch/src"
    mkdir -p "$scratch/src" "$scratch/target/debug"
    (cd "$root" && tar -cf - --exclude=./target --exclude=node_modules --exclude=./.git .) |
        tar -xf - -C "$scratch/src"
    # What an earlier sabotage changed is back, with a time cargo would take for unchanged.
    for file in config/kernel/src/store.rs gateway/src/journal/seen.rs gateway/src/broker/rights.rs \
        central/src/intake/store.rs config/sync/src/intake.rs; do
        touch "$scratch/src/$file"
    done
    for part in deps build .fingerprint; do
        [ -e "$scratch/target/debug/$part" ] || cp -al "$built/$part" "$scratch/target/debug/$part"
    done
}

# attempt NAME TEST WORDS: the test must fail, and say one of the words (a pattern for grep -E).
attempt() {
    echo "== $1: $2 must fail"
    export CARGO_TARGET_DIR="$scratch/target" ZHIBAN_PEERS="${ZHIBAN_PEERS:-$root/target/peers}"
    cd "$scratch/src"
    cargo build --quiet -p zhiban-gateway --bins
    rm -f "$scratch/target/debug/zhiban-central"
    cp "$built/zhiban-central" "$scratch/target/debug/zhiban-central"
    cargo test --quiet -p zhiban-tests --test "$2" --no-run
    if cargo test --quiet -p zhiban-tests --test "$2" -- --nocapture >"$log" 2>&1; then
        echo "   PASSED on broken code"
        missed="$missed $1"
    elif grep -E -m 3 "$3" "$log"; then
        echo "   caught"
        caught=$((caught + 1))
    else
        echo "   failed for another reason, see $log"
        missed="$missed $1"
    fi
    cd "$root"
}

early_ack() {
    prepare
    plant config/kernel/src/store.rs \
        'let committed = self.connection.prepare_cached("commit")?.execute([]);' \
        '// Only under load, or nobody could even sign in.
        if tells.len() > 1 { for tell in tells.drain(..) { tell(Ok(())); } }
        let committed = self.connection.prepare_cached("commit")?.execute([]);'
    attempt early-ack kill_nine_loses_nothing 'was acknowledged and is lost'
}

no_dedup() {
    prepare
    plant gateway/src/journal/seen.rs 'return Sight::Duplicate;' 'return Sight::New;'
    attempt no-dedup kill_nine_loses_nothing 'is there twice'
}

no_central_dedup() {
    prepare
    plant config/sync/src/intake.rs 'if envelope.seq <= cursor.committed {' 'if envelope.seq == 0 {'
    plant central/src/intake/store.rs 'insert into intake_item values' 'insert or ignore into intake_item values'
    echo "== no-central-dedup: the intake's own tests must fail"
    cd "$scratch/src"
    if CARGO_TARGET_DIR="$scratch/target" cargo test --quiet -p zhiban-central --lib intake >"$log" 2>&1; then
        echo "   PASSED on broken code"
        missed="$missed no-central-dedup"
    elif grep -m 3 'a_batch_sent_twice_has_one_effect' "$log"; then
        echo "   caught"
        caught=$((caught + 1))
    else
        echo "   failed for another reason, see $log"
        missed="$missed no-central-dedup"
    fi
    cd "$root"
}

no_topic_check() {
    prepare
    plant gateway/src/broker/rights.rs 'if !topic.starts_with(&self.prefix) {' 'if topic.is_empty() {'
    attempt no-topic-check a_device_cannot_speak_for_another 'V311|V5|no letter tells of|only what the victim sent'
}

case ${1:-all} in
early-ack) early_ack ;;
no-dedup) no_dedup ;;
no-central-dedup) no_central_dedup ;;
no-topic-check) no_topic_check ;;
all)
    early_ack
    no_dedup
    no_central_dedup
    no_topic_check
    ;;
*)
    echo "sabotage.sh: unknown sabotage $1" >&2
    exit 2
    ;;
esac
echo "$caught caught${missed:+, missed:$missed}"
[ -z "$missed" ]

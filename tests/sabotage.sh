#!/bin/sh
# Breaks each promise once, in a copy of the sources, and expects the test that guards it to fail.
# A test that passes on broken code proves nothing.
#
#   tests/sabotage.sh                 all
#   tests/sabotage.sh early-ack       one; the names are at the end
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
    for file in config/kernel/src/store.rs config/kernel/src/store/connection.rs gateway/src/journal/seen.rs gateway/src/broker/rights.rs \
        gateway/src/federation/courier.rs gateway/src/federation/epoch.rs config/sync/src/intake.rs \
        central/src/intake/store.rs central/src/facts/store/apply.rs; do
        touch "$scratch/src/$file"
    done
    for part in deps build; do
        [ -e "$scratch/target/debug/$part" ] || cp -al "$built/$part" "$scratch/target/debug/$part"
    done
    # Cargo writes these in place: a link would tell the build we came from that it is up to date.
    part=.fingerprint
    [ -e "$scratch/target/debug/$part" ] || cp -a "$built/$part" "$scratch/target/debug/$part"
}

# attempt NAME TEST WORDS: the test must fail, and say one of the words (a pattern for grep -E).
attempt() {
    echo "== $1: $2 must fail"
    export CARGO_TARGET_DIR="$scratch/target" ZHIBAN_PEERS="${ZHIBAN_PEERS:-$root/target/peers}"
    cd "$scratch/src"
    # The whole workspace: a part of it would be compiled with other features, from the ground up.
    cargo build --quiet --workspace --bins
    rm -f "$scratch/target/debug/zhiban-central"
    cp "$built/zhiban-central" "$scratch/target/debug/zhiban-central"
    cargo test --quiet --workspace --test "$2" --no-run
    if cargo test --quiet --workspace --test "$2" -- --nocapture >"$log" 2>&1; then
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
        '// Only under load, or nobody could even sign in; and on a disk as slow as those of small boxes,
        // or the kill seldom falls between the word and the commit.
        if tells.len() > 1 {
            for tell in tells.drain(..) { tell(Ok(())); }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let committed = self.connection.prepare_cached("commit")?.execute([]);'
    attempt early-ack kill_nine_loses_nothing 'was acknowledged and is lost'
}

no_dedup() {
    prepare
    plant gateway/src/journal/seen.rs 'return Sight::Duplicate;' 'return Sight::New;'
    attempt no-dedup kill_nine_loses_nothing 'is there twice'
}

# attempt_central NAME TEST: the intake's own tests must fail, TEST among them.
attempt_central() {
    echo "== $1: the intake's own tests must fail"
    cd "$scratch/src"
    if CARGO_TARGET_DIR="$scratch/target" cargo test --quiet --workspace --no-fail-fast --lib -- intake >"$log" 2>&1; then
        echo "   PASSED on broken code"
        missed="$missed $1"
    elif grep -m 3 "$2" "$log"; then
        echo "   caught"
        caught=$((caught + 1))
    else
        echo "   failed for another reason, see $log"
        missed="$missed $1"
    fi
    cd "$root"
}

no_central_dedup() {
    prepare
    plant config/sync/src/intake.rs 'if envelope.seq <= cursor.committed {' 'if envelope.seq == 0 {'
    attempt_central no-central-dedup a_batch_sent_twice_has_one_effect
}

# Nothing is written at all where a group is large.
ack_from_memory() {
    prepare
    plant config/kernel/src/store.rs \
        'let committed = self.connection.prepare_cached("commit")?.execute([]);' \
        'let end = if tells.len() > 1 { "rollback" } else { "commit" };
        let committed = self.connection.prepare_cached(end)?.execute([]);'
    attempt ack-from-memory kill_nine_loses_nothing 'was acknowledged and is lost'
}

normal_sync() {
    prepare
    plant config/kernel/src/store/connection.rs 'pragma synchronous = full;' 'pragma synchronous = normal;'
    attempt normal-sync a_power_cut_loses_nothing 'was acknowledged and is lost'
}

swallowed_fsync() {
    prepare
    plant config/kernel/src/store.rs 'if let Err(error) = committed {' \
        'if let Err(error) = committed.or_else(|_| Ok::<_, rusqlite::Error>(0)) {'
    attempt swallowed-fsync a_failed_fsync_stops_the_writer 'panicked'
}

# Rows go when they are sent, not when the centre has them.
delete_before_ledger() {
    prepare
    plant gateway/src/federation/courier.rs \
        'let ticket = line.departs(cargo.lane, last, now_ms);' \
        'let (lane, upto) = (cargo.lane, last.cast_signed());
                    let sql = "delete from federation_outbox where lane = ?1 and seq <= ?2";
                    let gone = move |c: &rusqlite::Connection| Ok(c.execute(sql, (lane.as_str(), upto))?);
                    self.store.write(gone).await?;
                    let ticket = line.departs(lane, last, now_ms);'
    attempt delete-before-ledger central_down_then_back 'not within'
}

# What comes last counts, not what was said last.
wall_clock_order() {
    prepare
    plant central/src/facts/store/apply.rs 'const fn rank(life: u32, version: u32) -> i64 {' \
        'fn rank(life: u32, version: u32) -> i64 {
    static LATER: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1 << 40);'
    plant central/src/facts/store/apply.rs '(life as i64) << 32 | version as i64' \
        'LATER.fetch_add(i64::from(life.min(1) + version.min(1)), std::sync::atomic::Ordering::Relaxed)'
    attempt_central wall-clock-order whatever_the_network_does_each_item_counts_once_in_its_latest_version
}

# A restored disk goes on under the numbers it had.
no_epoch() {
    prepare
    plant gateway/src/federation/epoch.rs 'let epoch = Epoch(rand::rng().random_range(1..1 << 53));' \
        'let epoch = Epoch(rand::rng().random_range(1..2));'
    attempt no-epoch a_restored_or_cloned_box_is_known 'panicked'
}

no_topic_check() {
    prepare
    plant gateway/src/broker/rights.rs 'if !topic.starts_with(&self.prefix) && !self.topics.may_publish(topic) {' 'if topic.is_empty() {'
    attempt no-topic-check a_device_cannot_speak_for_another 'V311|V5|no letter tells of|only what the victim sent'
}

all='early_ack ack_from_memory normal_sync swallowed_fsync no_dedup no_central_dedup
    delete_before_ledger wall_clock_order no_epoch no_topic_check'
wanted=$(printf '%s' "${1:-all}" | tr - _)
[ "$wanted" != all ] || wanted=$all
for name in $wanted; do
    case " $(echo $all) " in
    *" $name "*) "$name" ;;
    *)
        echo "sabotage.sh: unknown sabotage $name, expected one of: $(echo $all | tr _ -)" >&2
        exit 2
        ;;
    esac
done
echo "$caught caught${missed:+, missed:$missed}"
[ -z "$missed" ]

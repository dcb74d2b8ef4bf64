#!/bin/sh
# Fuzzes the parser of every driver, or of those named, SECONDS each (default 600), and says how
# many inputs each took. Needs cargo-fuzz and a nightly toolchain. Stops at the first crash.
set -eu

cd "$(dirname "$0")"
seconds=${SECONDS_EACH:-600}
names=${*:-$(sed -n 's/^ *name: "\(.*\)",$/\1/p' ../src/*/mod.rs)}
cargo +nightly fuzz build driver

for name in $names; do
    corpus=corpus/$name
    mkdir -p "$corpus"
    # Traces are hex with comments; a parser learns faster from frames than from nothing.
    folder=$(grep -l "name: \"$name\"" ../src/*/mod.rs | xargs dirname)
    for trace in "$folder"/traces/*.txt; do
        [ -e "$trace" ] || continue
        sed -e '/^>/d' -e 's/#.*//' "$trace" | tr -d ' \n' | xxd -r -p >"$corpus/$(basename "$trace" .txt)" || true
    done
    printf '%s: ' "$name"
    DRIVER=$name cargo +nightly fuzz run driver "$corpus" -- -max_total_time="$seconds" -max_len=2048 \
        -print_final_stats=1 >"corpus/$name.log" 2>&1 || {
        tail -n 30 "corpus/$name.log"
        exit 1
    }
    sed -n 's/^stat::number_of_executed_units: */inputs /p' "corpus/$name.log"
done

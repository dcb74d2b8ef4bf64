#!/usr/bin/env bash
# Runs the tests in two halves side by side: most of their time they wait. Arguments: the cargo command.
# A test program belongs to the first half when its name begins with a, else to the second, so that none
# is left out.
set -euo pipefail
first=$(mktemp)
trap 'rm -f "$first"' EXIT

"$@" --lib --bins --test '[a]*' > "$first" 2>&1 &
half=$!
failed=0
"$@" --test '[!a]*' || failed=$?
wait "$half" || failed=$?
cat "$first"
"$@" --doc || failed=$?
exit "$failed"

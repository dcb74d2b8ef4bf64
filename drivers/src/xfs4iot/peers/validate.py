"""Judges messages by the published JSON schema of XFS4IoT, one message a line on stdin.

The argument is the file `JsonSchema-2021-1.json`. Prints `ready`, then for each line `ok` or
`bad <where> <why>`.
"""
import json
import sys

from jsonschema import Draft202012Validator

with open(sys.argv[1], encoding="utf-8-sig") as file:
    validator = Draft202012Validator(json.load(file))
print("ready", flush=True)
for line in sys.stdin:
    errors = list(validator.iter_errors(json.loads(line)))
    if errors:
        first = errors[0]
        print("bad", "/".join(map(str, first.absolute_path)), first.message[:200], flush=True)
    else:
        print("ok", flush=True)

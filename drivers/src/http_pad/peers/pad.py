"""Bodies as a web page or app on a pad makes them, by Python's own encoders.

For each line on standard input, "form JSON" or "json JSON", says "body TYPE HEX".
"""

import json
import sys
import urllib.parse

print("ready", flush=True)
for line in sys.stdin:
    kind, _, text = line.strip().partition(" ")
    fields = json.loads(text)
    if kind == "form":
        body = urllib.parse.urlencode(fields).encode()
        content_type = "application/x-www-form-urlencoded"
    else:
        body = json.dumps(fields).encode()
        content_type = "application/json"
    print("body", content_type, body.hex(), flush=True)

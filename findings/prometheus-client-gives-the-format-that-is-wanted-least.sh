#!/usr/bin/env bash
# A scraper says in its Accept header which formats it takes and, by q, which it likes best; q=0 is what it does not
# take (RFC 9110, 12.4.2). Prometheus writes the q values from its scrape_protocols. choose_encoder() would be expected
# to go by them.
# It reads no q: OpenMetrics is given whenever it is named anywhere, also with q=0.1 behind plain text with q=1, and
# with q=0. Nor is the name read as HTTP does: in capitals it is not known.
# Seen with prometheus-client 0.26.0. The order of scrape_protocols has no effect on a target in Python; what a scraper
# gets differs in more than its name, as OpenMetrics has another name in the TYPE line of each counter.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder

OPEN, TEXT = "application/openmetrics-text", "text/plain"
CASES = [  # accept, expected, seen
    (f"{OPEN};version=1.0.0;q=0.6,{TEXT};version=0.0.4;q=0.5", OPEN, OPEN),
    (f"{TEXT};version=0.0.4;q=0.6,{OPEN};version=1.0.0;q=0.5,*/*;q=0.4", TEXT, OPEN),
    (f"{TEXT};version=0.0.4,{OPEN};version=1.0.0;q=0", TEXT, OPEN),
    (f"{OPEN.upper()};version=1.0.0", OPEN, TEXT),
]
registry = CollectorRegistry()
Counter("mails", "Mails", registry=registry).inc()

print("prometheus-client", version("prometheus-client"))
changed = False
for accept, expected, stated in CASES:
    encode, content_type = choose_encoder(accept)
    given = content_type.partition(";")[0]
    kind = next(line for line in encode(registry).decode().splitlines() if line.startswith("# TYPE"))
    print(f"{accept}: expected {expected}, seen {given} with {kind!r}")
    changed = changed or given != stated
if changed:
    sys.exit("Changed: another format is given.")
END

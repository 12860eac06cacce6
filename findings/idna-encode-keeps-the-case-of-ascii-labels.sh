#!/usr/bin/env bash
# idna.encode() would be expected to give one form for one domain: it refuses capitals in non-ASCII labels, and
# decode() puts all in small letters.
# Labels in ASCII pass as they are, with their capitals, also those that begin with XN--, and in a mixed name only
# they do. With uts46=True all are small.
# Seen with idna 3.20. Whoever compares, counts or keys domains by the outcome takes one domain for two; encode only
# what was put in small letters, or pass uts46=True.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet idna==3.20
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version

import idna

NAMES = {
    "EXAMPLE.com": "EXAMPLE.com",
    "XN--MNCHEN-3YA.de": "XN--MNCHEN-3YA.de",
    "m\u00fcnchen.DE": "xn--mnchen-3ya.DE",
    "M\u00fcnchen.de": "InvalidCodepoint",
}


def encoded(name, **options):
    try:
        return idna.encode(name, **options).decode()
    except idna.IDNAError as error:
        return type(error).__name__


print("idna", version("idna"))
print("expected: small letters, or an error, for each")
held = True
for name, stated in NAMES.items():
    plain, mapped = encoded(name), encoded(name, uts46=True)
    print(f"seen: {name} gives {plain}, with uts46=True {mapped}, and back {idna.decode(mapped)}")
    held = held and plain == stated and mapped == mapped.lower()
if not held:
    sys.exit("Changed: idna.encode() treats capitals otherwise.")
END

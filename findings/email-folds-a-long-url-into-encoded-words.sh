#!/usr/bin/env bash
# A List-Unsubscribe header in plain ASCII would be expected to stay as it is under policy.SMTP, on one line if need
# be: its content is an address for programs, and a line may have 998 letters.
# An address that does not fit in 78 letters is cut up into encoded words (=?utf-8?q?...?=), and so are long ids in
# In-Reply-To and References, while Message-ID is left alone. Python's own parser hides it: it joins them again.
# Seen with the email package of Python 3.11. A mail program looks for <https://...> in the raw header and finds no
# unsubscribe address, or no thread; a policy with max_line_length=998 keeps such a header whole.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import platform
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage

address = "<https://example.com/unsubscribe?token=" + "a1b2c3d4e5" * 26 + ">"
identity = "<" + "a" * 90 + "@example.com>"
HEADERS = {
    "List-Unsubscribe": address,
    "In-Reply-To": identity,
    "References": identity,
    "Message-ID": identity,
}


def whole(name, rules):
    message = EmailMessage(policy=rules)
    message[name] = HEADERS[name]
    raw = message.as_bytes()
    again = message_from_bytes(raw, policy=policy.default)[name] == HEADERS[name]
    return HEADERS[name].encode() in raw, b"=?utf-8?" in raw, again


print("Python", platform.python_version())
print("expected: each header whole in the raw mail, without encoded words")
found = {}
for name in HEADERS:
    found[name] = whole(name, policy.SMTP)
    wide = whole(name, policy.SMTP.clone(max_line_length=998))
    print(
        f"seen: {name} whole: {found[name][0]}, encoded words: {found[name][1]}, "
        f"read back alike by Python: {found[name][2]}; with 998 letters whole: {wide[0]}"
    )
    if not wide[0]:
        sys.exit("Changed: a line of 998 letters no longer keeps the header whole.")
cut, kept = (False, True, True), (True, False, True)
if found != {**dict.fromkeys(HEADERS, cut), "Message-ID": kept}:
    sys.exit("Changed: policy.SMTP folds a long address or id otherwise.")
END

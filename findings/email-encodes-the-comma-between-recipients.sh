#!/usr/bin/env bash
# Two recipients put in as Address objects would be expected to be two in the mail that is sent.
# When the first one's name is not in ASCII and the line has to be folded right after that recipient, the comma
# between them becomes an encoded word (=?utf-8?q?=2C?=). Read again, also by Python, the header holds the first only.
# Seen with the email package of Python 3.11. Whether it happens hangs on the length of a name, so a test with short
# names does not show it; a wider max_line_length only moves the place where it happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import platform
import sys
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

second = Address("Bo", "bo", "example.com")


def sent(name):
    message = EmailMessage(policy=policy.SMTP)
    message["To"] = [Address(name, "j", "example.com"), second]
    raw = message.as_bytes()
    return raw, len(message_from_bytes(raw, policy=policy.default)["To"].addresses)


# One letter more at a time, until the line is full.
lost = []
for length in range(5, 80):
    raw, count = sent("J\u00f6rg " + "x" * length)
    if count != 2:
        lost.append((length, raw))
print("Python", platform.python_version())
print("expected: 2 recipients, for a name of any length")
print("seen: 1 recipient for", len(lost), "of 75 lengths of the name")
if not lost or b"=?utf-8?q?=2C?=" not in lost[0][1]:
    sys.exit("Changed: the comma between two recipients is no longer encoded.")
print("seen: the first such mail is", lost[0][1])
END

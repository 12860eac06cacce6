#!/usr/bin/env bash
# A list call takes a repeated parameter as a list, labelIds=["INBOX", "UNREAD"], and list_next() makes the request for
# the page after it. One would expect the second page to be asked for with the same labels.
# The first page is asked for with both, and list_next() then raises ValueError: it sets the token with a helper that
# refuses a query in which any name stands twice. With one label, or without a next page, it works.
# Seen with google-api-python-client 2.202.0. A mailbox with few mails, and a test, never gets to a second page.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-api-python-client==2.202.0
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version
from urllib.parse import parse_qsl, urlsplit

import httplib2
from googleapiclient import discovery

messages = discovery.build("gmail", "v1", http=httplib2.Http(), static_discovery=True).users().messages()


def asked(request):
    return sorted(pair for pair in parse_qsl(urlsplit(request.uri).query) if pair[0] != "alt")


def next_page(labels):
    first = messages.list(userId="me", labelIds=labels)
    try:
        return asked(first), asked(messages.list_next(first, {"nextPageToken": "two"}))
    except ValueError as error:
        return asked(first), f"ValueError: {error}"


print("google-api-python-client", version("google-api-python-client"))
print("expected: the next page is asked for with the labels of the first")
seen = {}
for labels in (["INBOX"], ["INBOX", "UNREAD"]):
    first, second = next_page(labels)
    seen[len(labels)] = first, second
    print("seen: first page", first, "- next page", second)
if seen[1][1] != [("labelIds", "INBOX"), ("pageToken", "two")]:
    sys.exit("Changed: the next page of one label is asked for in another way.")
if seen[2][0] != [("labelIds", "INBOX"), ("labelIds", "UNREAD")] or not str(seen[2][1]).startswith("ValueError"):
    sys.exit("Changed: a list call with two labels has a next page.")
END

#!/usr/bin/env bash
# A Gmail draft that joins a thread is uploaded in two parts: JSON with the threadId, and the mail as message/rfc822. One
# would expect Google's client to take any mail there, as it does when the mail is uploaded alone: it writes the part as
# "Content-Transfer-Encoding: binary".
# A mail with one octet beyond ASCII, as 8bit mails have (RFC 6152), raises UnicodeEncodeError while the request is
# built. Mails in ASCII alone pass, so a test in English does not show it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-api-python-client==2.202.0
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import json
import sys
from importlib.metadata import version

from googleapiclient import discovery, discovery_cache
from googleapiclient.http import MediaInMemoryUpload

document = json.loads(discovery_cache.get_static_doc("gmail", "v1"))
drafts = discovery.build_from_document(document, http=object()).users().drafts()
ASCII = b"Subject: x\r\n\r\nHello\r\n"
EIGHT_BIT = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
)


def upload(mail, **body):
    """How the request comes out, which is not sent."""
    media = MediaInMemoryUpload(mail, mimetype="message/rfc822")
    try:
        made = drafts.create(userId="me", media_body=media, **body).body
    except UnicodeEncodeError as error:
        return type(error).__name__
    return "holds the mail" if mail in made else "holds another mail"


about = {"body": {"message": {"threadId": "t"}}}
seen = {
    "ASCII with a threadId": upload(ASCII, **about),
    "8bit alone": upload(EIGHT_BIT),
    "8bit with a threadId": upload(EIGHT_BIT, **about),
}
print("google-api-python-client", version("google-api-python-client"), "on Python", sys.version.split()[0])
print("expected: each request holds the mail as it was given")
for what, came in seen.items():
    print(f"seen: {what}: {came}")
if seen != {
    "ASCII with a threadId": "holds the mail",
    "8bit alone": "holds the mail",
    "8bit with a threadId": "UnicodeEncodeError",
}:
    sys.exit("Changed: the client takes such a mail.")
END

#!/usr/bin/env bash
# One call of Credentials.refresh() would be expected to ask the token endpoint once, and to leave retries to the
# caller, who has to pass num_retries to get any from the API client.
# On 500, 503 and 429 it asks three times, and sleeps about one and about two seconds in between; no argument of
# refresh() turns that off. On 400 it asks once.
# Seen with google-auth 2.62.2. A retry loop around it triples its requests and adds some three seconds to each try,
# and any API call whose token is due waits as long, also one with num_retries=0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet google-auth==2.62.2 google-auth-httplib2==0.4.4 httplib2==0.32.1
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import httplib2
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import Request

asked = []


class Unwell(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(self.path)
        body = b'{"error": "unavailable"}'
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Unwell)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("google-auth", version("google-auth"))
print("expected: asked once for each status")
found = {}
for status in (400, 429, 500, 503):
    asked.clear()
    begun = time.monotonic()
    address = f"http://127.0.0.1:{server.server_port}/{status}"
    credentials = Credentials(
        None, refresh_token="r", token_uri=address, client_id="c", client_secret="s"
    )
    try:
        credentials.refresh(Request(httplib2.Http()))
    except RefreshError:
        pass
    found[status] = (len(asked), time.monotonic() - begun)
    print(f"seen: {status} asked {found[status][0]} times in {found[status][1]:.1f} s")
server.shutdown()
slow = all(found[status][1] > 1.5 for status in (429, 500, 503))
if {s: n for s, (n, _) in found.items()} != {400: 1, 429: 3, 500: 3, 503: 3} or not slow:
    sys.exit("Changed: refresh() asks another number of times, or no longer sleeps in between.")
END

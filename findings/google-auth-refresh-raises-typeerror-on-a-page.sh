#!/usr/bin/env bash
# A token endpoint that answers 200 with something other than its JSON object would be expected to end refresh() in
# RefreshError or another of google.auth.exceptions.
# A page of HTML, as a proxy or a login portal in between sends, ends in a bare TypeError about string indices, and a
# lifetime written as the text "3600.0" in a bare ValueError; the text "3600" is taken.
# Seen with google-auth 2.62.2. `except GoogleAuthError` misses both, and a program takes a network that is out of
# order for a fault of its own.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet google-auth==2.62.2 google-auth-httplib2==0.4.4 httplib2==0.32.1
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import httplib2
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import Request

BODIES = {
    "page": b"<html>Please log in</html>",
    "empty-object": b"{}",
    "text-lifetime": b'{"access_token": "t", "expires_in": "3600"}',
    "decimal-text-lifetime": b'{"access_token": "t", "expires_in": "3600.0"}',
}


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = BODIES[self.path[1:]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
found = {}
for name in BODIES:
    address = f"http://127.0.0.1:{server.server_port}/{name}"
    credentials = Credentials(
        None, refresh_token="r", token_uri=address, client_id="c", client_secret="s"
    )
    try:
        credentials.refresh(Request(httplib2.Http()))
        found[name] = "a token"
    except GoogleAuthError as error:
        found[name] = f"{type(error).__name__}, a GoogleAuthError"
    except Exception as error:
        found[name] = type(error).__name__
server.shutdown()
print("google-auth", version("google-auth"))
print("expected: a token or a GoogleAuthError, for each")
for name, outcome in found.items():
    print(f"seen: {name} gives {outcome}")
stated = ["TypeError", "RefreshError, a GoogleAuthError", "a token", "ValueError"]
if list(found.values()) != stated:
    sys.exit("Changed: refresh() ends otherwise on an answer that is no token.")
END

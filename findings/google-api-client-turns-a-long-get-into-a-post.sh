#!/usr/bin/env bash
# A request made with method GET would be expected to arrive as GET, however long its query is.
# From an address of more than 2048 letters on it is sent as POST, with the query as a form in its body and the
# header x-http-method-override: GET.
# Seen with google-api-python-client 2.202.0. A stub, a proxy or a log that goes by the method takes such a read for
# a write, and a test with a short query never shows it; a long search or many ids in a list call get there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet google-api-python-client==2.202.0 google-auth==2.62.2 \
  google-auth-httplib2==0.4.4 httplib2==0.32.1
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import httplib2
from googleapiclient.http import HttpRequest

arrived = []


class Listing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        override = self.headers["x-http-method-override"]
        arrived.append((self.command, "?" in self.path, override))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Listing)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}/list?q="
for length in (2048, 2049):
    address = base + "a" * (length - len(base))
    answer = lambda response, content: json.loads(content)
    HttpRequest(httplib2.Http(), answer, address, method="GET").execute()
server.shutdown()
print("google-api-python-client", version("google-api-python-client"))
print("expected: GET with a query, twice")
for length, (method, query, override) in zip((2048, 2049), arrived):
    print(f"seen: {length} letters as {method}, query in the address: {query}, override: {override}")
if arrived != [("GET", True, None), ("POST", False, "GET")]:
    sys.exit("Changed: a long GET no longer becomes a POST at 2049 letters.")
END

#!/usr/bin/env bash
# With num_retries=0 a request would be expected to go out once; the client also sets httplib2.RETRIES to 1.
# When the server reads a POST and closes the connection without an answer, httplib2 sends that POST a second time,
# on a fresh connection too. If the second is answered, the caller gets its answer and no sign of the first.
# Seen with google-api-python-client 2.202.0 and httplib2 0.32.1. A request that is not idempotent, such as the
# sending of a mail, can be carried out twice, so it needs a key of its own or a look at what the server has.
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

import googleapiclient.discovery  # noqa: F401 - it sets httplib2.RETRIES
import httplib2
from googleapiclient.http import HttpRequest

posts = []


class DropsTheFirst(BaseHTTPRequestHandler):
    def do_POST(self):
        posts.append(self.rfile.read(int(self.headers["Content-Length"])))
        if len(posts) == 1:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), DropsTheFirst)
threading.Thread(target=server.serve_forever, daemon=True).start()
request = HttpRequest(
    httplib2.Http(),
    lambda response, content: json.loads(content),
    f"http://127.0.0.1:{server.server_port}/send",
    method="POST",
    body='{"text": "hello"}',
)
try:
    outcome = request.execute(num_retries=0)
except Exception as error:
    outcome = repr(error)
server.shutdown()
names = ("google-api-python-client", "httplib2")
print(", ".join(f"{name} {version(name)}" for name in names), f"(RETRIES is {httplib2.RETRIES})")
print("expected: 1 POST and an error")
print(f"seen: {len(posts)} POSTs, and the caller got {outcome}")
if len(posts) != 2 or outcome != {} or httplib2.RETRIES != 1:
    sys.exit("Changed: a POST whose connection was closed is no longer sent again unasked.")
END

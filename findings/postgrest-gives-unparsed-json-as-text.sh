#!/usr/bin/env bash
# When an answer cannot be read as JSON, the client would be expected to raise, whatever the request was.
# A select gives the raw body as a string in `.data` instead, without an error or a warning. The JSON here is valid:
# its number has more digits than Python's int() takes from text, and a Postgres numeric can hold it.
# The same body raises ValueError from an rpc, so the two halves of one client do not agree.
# Seen with postgrest 2.34.1. Code that loops over `.data` goes over single letters rather than over rows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet postgrest==2.34.1
cd "$folder"

"$folder/venv/bin/python" - <<'END'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

from postgrest import SyncPostgrestClient

BODY = b'[{"n": ' + b"9" * (sys.get_int_max_str_digits() + 1) + b"}]"


class Rows(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    do_POST = do_GET

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Rows)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = SyncPostgrestClient(f"http://127.0.0.1:{server.server_port}")


def kind(query):
    try:
        return type(query.execute().data).__name__
    except ValueError as error:
        return type(error).__name__


select, rpc = kind(client.from_("rows").select("*")), kind(client.rpc("rows", {}))
server.shutdown()
print("postgrest", version("postgrest"))
print("expected: an error from both")
print(f"seen: a {select} as the data of the select, a {rpc} from the rpc")
if (select, rpc) != ("str", "ValueError"):
    sys.exit("Changed: a select no longer gives unread JSON as a string, or an rpc no longer raises.")
END

#!/usr/bin/env bash
# concurrency([...], strict=True) would be expected to raise when one of the limits that it names does not exist.
# It raises only when none of them exists. With one that exists beside it, a missing limit is passed over without an
# error and without a warning, and the code inside runs.
# Seen with Prefect 3.8.8. A misspelt or deleted limit in a list guards nothing, and strict does not tell; ask for
# each limit by itself to have it told.
set -euo pipefail

folder=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.8.8 fastapi==0.149.0
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=CRITICAL
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_API_URL="http://127.0.0.1:$port/api"
"$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui >"$folder/server.log" 2>&1 &
server=$!
"$folder/venv/bin/python" - <<'END'
import os
import sys
import time

import httpx

for _ in range(480):
    try:
        if httpx.get(os.environ["PREFECT_API_URL"] + "/health").is_success:
            break
    except httpx.HTTPError:
        time.sleep(0.25)
else:
    sys.exit("Undecided: the server did not come up within two minutes.")
END

"$folder/venv/bin/python" - <<'END' 2>"$folder/client.log" || { tail -n 1 "$folder/client.log" >&2; exit 1; }
import os
import sys
from importlib.metadata import version

import httpx
from prefect.concurrency.sync import concurrency

limits = os.environ["PREFECT_API_URL"] + "/v2/concurrency_limits/"
api = httpx.Client(timeout=60)


def outcome(*names):
    try:
        with concurrency(list(names), strict=True, timeout_seconds=2):
            return "inside"
    except Exception as error:
        return type(error).__name__


api.post(limits, json={"name": "there", "limit": 1}).raise_for_status()
several, alone = outcome("there", "missing"), outcome("missing")
print("Prefect", version("prefect"))
print("expected: an error from both")
print("seen: one that exists and one that does not:", several)
print("seen: the missing one alone:", alone)
if (several, alone) != ("inside", "ConcurrencySlotAcquisitionError"):
    sys.exit("Changed: strict no longer passes over a missing limit beside one that exists.")
END

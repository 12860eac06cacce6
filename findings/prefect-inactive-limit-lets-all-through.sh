#!/usr/bin/env bash
# `with concurrency("x", strict=True)` would be expected to hold runs back, or to raise, when the limit x is switched
# off: strict is there to refuse to go on without a limit.
# A limit with active=false lets any number through at once, and more slots than it has, and `strict` says nothing:
# it raises only where no limit of that name exists.
# Seen with Prefect 3.8.8. Somebody who switches a limit off in order to pause what it guards sets all of it free; a
# limit of 0 is what holds it back.
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


def outcome(name, *slots):
    if not slots:
        return "inside"
    try:
        with concurrency(name, occupy=slots[0], strict=True, timeout_seconds=2):
            return outcome(name, *slots[1:])
    except Exception as error:
        return type(error).__name__


api.post(limits, json={"name": "off", "limit": 1, "active": False}).raise_for_status()
api.post(limits, json={"name": "none", "limit": 0}).raise_for_status()
off, none, missing = outcome("off", 1, 1, 5), outcome("none", 1), outcome("missing", 1)
print("Prefect", version("prefect"))
print("expected: no way in past a limit of 1 that is switched off, with strict")
print("seen: switched off, three deep, with 1, 1 and 5 slots:", off)
print("seen: a limit of 0:", none)
print("seen: no limit of that name:", missing)
if (off, none, missing) != ("inside", *["ConcurrencySlotAcquisitionError"] * 2):
    sys.exit("Changed: a limit that is switched off no longer lets all through, or others do.")
END

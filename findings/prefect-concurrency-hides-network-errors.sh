#!/usr/bin/env bash
# Where the server is away, concurrency() would be expected to raise the httpx error that every other call of
# Prefect's client raises then.
# It raises ConcurrencySlotAcquisitionError, which is what it raises for a missing limit too. It is no httpx error, and
# its text names neither the network nor the server; the httpx error is only its __cause__.
# Seen with Prefect 3.8.8. `except httpx.HTTPError` around a piece of code with a limit misses it, and a handler for
# limits takes a server that is away for a limit that is not there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.8.8 fastapi==0.149.0
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1 PREFECT_LOGGING_LEVEL=CRITICAL PREFECT_CLIENT_MAX_RETRIES=0

"$folder/venv/bin/python" - <<'END' 2>"$folder/client.log" || { tail -n 1 "$folder/client.log" >&2; exit 1; }
import os
import socket
import sys
from importlib.metadata import version

with socket.socket() as closed:
    closed.bind(("127.0.0.1", 0))
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{closed.getsockname()[1]}/api"

import httpx
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency


def limited():
    with concurrency("x", strict=True, timeout_seconds=20):
        pass


def read():
    with get_client(sync_client=True) as client:
        client.read_flow_runs()


def raised(call):
    try:
        call()
    except Exception as error:
        return error


limit, other = raised(limited), raised(read)
print("Prefect", version("prefect"))
print("expected: an httpx error from both")
print("seen: another call:", type(other).__name__, "- an httpx error:", isinstance(other, httpx.HTTPError))
print("seen: concurrency():", type(limit).__name__, "- an httpx error:", isinstance(limit, httpx.HTTPError))
print("seen: its text:", limit, "- its cause:", type(limit.__cause__).__name__)
if (
    not isinstance(other, httpx.HTTPError)
    or type(limit).__name__ != "ConcurrencySlotAcquisitionError"
    or not isinstance(limit.__cause__, httpx.HTTPError)
):
    sys.exit("Changed: concurrency() raises another error where the server is away.")
END

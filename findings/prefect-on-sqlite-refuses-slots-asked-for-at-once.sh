#!/usr/bin/env bash
# A Prefect server on SQLite, with a concurrency limit that has slots for all, would be expected to give them to two
# clients that ask at the same time, or to let one wait for the other's milliseconds: its time-out for a locked
# database is 60 s.
# About half of the requests get 503 at once. The transaction begins by reading and asks for the right to write later;
# where another one wrote in between, SQLite refuses that without waiting. Prefect's own client comes back after 2, 4,
# 8 s: what two runs of `concurrency` wait for is not a slot.
# Seen with Prefect 3.9.1 on SQLite. It may be any write beside any other: a client that is alone gets one now and
# then, when a service of the server itself writes.
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
"$folder/venv/bin/pip" install --quiet prefect==3.9.1
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" --no-ui >"$folder/server.log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "$port" <<'END'
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import httpx

ASKED = 120
api = httpx.Client(
    base_url=f"http://127.0.0.1:{sys.argv[1]}/api",
    headers={"Connection": "close"},  # as the server does after a 503
    timeout=60,
    trust_env=False,
)
for _ in range(480):
    try:
        if api.get("/health").is_success:
            break
    except httpx.HTTPError:
        pass
    time.sleep(0.25)
else:
    sys.exit("Undecided: the server did not come up within two minutes.")


def take(_):
    wanted = {"names": ["wide"], "slots": 1, "mode": "concurrency"}
    return api.post("/v2/concurrency_limits/increment-with-lease", json=wanted).status_code


def taken_by(clients):
    with ThreadPoolExecutor(clients) as threads:
        return dict(Counter(threads.map(take, range(ASKED))))


api.post("/v2/concurrency_limits/", json={"name": "wide", "limit": 2 * ASKED}).raise_for_status()
one, two = taken_by(1), taken_by(2)
print("Prefect", version("prefect"))
print(f"expected: 200 for each of {ASKED} slots of a limit of {2 * ASKED}")
print("seen: one client after the other, answers:", one)
print("seen: two clients at once, answers:", two)
if 503 not in two:
    sys.exit("Changed: no slot is refused any more where two ask at once.")
END

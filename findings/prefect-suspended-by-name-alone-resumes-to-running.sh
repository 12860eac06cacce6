#!/usr/bin/env bash
# A state of type PAUSED with the name Suspended, accepted by the server and shown as Suspended, would be expected to
# become Scheduled when the run is resumed, so that a worker starts it again.
# The name decides nothing: without pause_reschedule in its state_details, Resume sets the run to Running at once,
# though the process of a suspended run has ended. Nobody runs it, and it stays Running.
# Seen with Prefect 3.8.8. A script that suspends over the REST API by type and name makes runs that can never go on.
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

api = httpx.Client(base_url=os.environ["PREFECT_API_URL"] + "/", timeout=60)


def post(path, /, **content):
    answer = api.post(path, json=content)
    answer.raise_for_status()
    return answer.json()


flow = post("flows/", name="f")["id"]
deployment = post("deployments/", name="d", flow_id=flow)["id"]


def resumed(**details):
    """The state of a run's suspension as it is shown, and its state after Resume."""
    run = post(f"deployments/{deployment}/create_flow_run", state={"type": "PENDING"})["id"]
    post(f"flow_runs/{run}/set_state", state={"type": "RUNNING"})
    state = {"type": "PAUSED", "name": "Suspended", "state_details": details}
    shown = post(f"flow_runs/{run}/set_state", state=state)["state"]["name"]
    post(f"flow_runs/{run}/resume")
    return shown, api.get(f"flow_runs/{run}").json()["state"]["type"]


by_name, in_full = resumed(), resumed(pause_reschedule=True)
print("Prefect", version("prefect"))
print("expected: SCHEDULED after Resume, for both")
print("seen: by type and name:", *by_name)
print("seen: with pause_reschedule:", *in_full)
if (by_name, in_full) != (("Suspended", "RUNNING"), ("Suspended", "SCHEDULED")):
    sys.exit("Changed: Resume goes by something other than pause_reschedule.")
END

#!/usr/bin/env bash
# A suspended run would be expected to wait for whoever resumes it, as the client's suspend_flow_run() has it, which
# sets no limit in time; and a Resume that is refused would be expected to leave the run as it was.
# The dialog of the UI that comes with the server sets a limit, with 300 seconds filled in. After that the server
# fails the run by itself in some seconds, and a Resume in between is refused and makes the run Failed at once.
# Seen with Prefect 3.8.8. A run that somebody suspended for a look and left alone over lunch is over, and its message
# says only that it was never resumed.
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
import datetime
import os
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import prefect
from prefect.states import Suspended

api = httpx.Client(base_url=os.environ["PREFECT_API_URL"] + "/", timeout=60)


def post(path, /, **content):
    answer = api.post(path, json=content)
    answer.raise_for_status()
    return answer.json()


flow = post("flows/", name="f")["id"]
deployment = post("deployments/", name="d", flow_id=flow)["id"]


def suspended(seconds):
    """A run that the UI's call suspends, with a limit of some seconds."""
    run = post(f"deployments/{deployment}/create_flow_run", state={"type": "PENDING"})["id"]
    post(f"flow_runs/{run}/set_state", state={"type": "RUNNING"}, force=True)
    limit = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    details = {"pause_timeout": limit.isoformat(), "pause_reschedule": True}
    state = {"type": "PAUSED", "name": "Suspended", "state_details": details}
    post(f"flow_runs/{run}/set_state", state=state, force=True)
    return run


def state(run):
    return api.get(f"flow_runs/{run}").json()["state"]["name"]


in_time = suspended(300)
post(f"flow_runs/{in_time}/resume")
late, before = None, None
for _ in range(5):  # the server's own look may come in between
    late = suspended(0.2)
    time.sleep(0.3)
    before = state(late)
    answer = post(f"flow_runs/{late}/resume")["status"]
    if before == "Suspended":
        break
alone = suspended(0.2)
for _ in range(60):
    time.sleep(0.25)
    if state(alone) != "Suspended":
        break

scripts = Path(prefect.__file__).parent.glob("server/ui*/assets/*.js")
texts = [script.read_text(errors="replace") for script in scripts]
dialog = re.compile(r"useState\)\(300\).{0,400}pause_timeout")
filled_in = any("pause_timeout" in text and dialog.search(text) for text in texts)
client = Suspended().state_details.pause_timeout
print("Prefect", version("prefect"))
print("expected: no limit in time, and a refused Resume leaves the run Suspended")
print("seen: the client's limit:", client, "- the dialog of the UI has 300 s filled in:", filled_in)
print("seen: resumed in time:", state(in_time))
print(f"seen: resumed late: {answer}, {before} before and {state(late)} after")
print("seen: not resumed:", state(alone))
found = (client, filled_in, state(in_time), answer, before, state(late), state(alone))
if found != (None, True, "Resuming", "REJECT", "Suspended", "Failed", "Failed"):
    sys.exit("Changed: the limit of a suspended run works otherwise, or the UI sets another.")
END

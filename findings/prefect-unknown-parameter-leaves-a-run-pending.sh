#!/usr/bin/env bash
# A run whose parameters do not fit its flow would be expected to end as Failed, as one with a value of the wrong type
# does: that one is Failed, with a message that names the parameter.
# With a parameter that the flow does not have, or without one that it needs, the engine raises
# SignatureMismatchError or ParameterBindError before it begins the run. It exits with 1 and leaves the run Pending;
# its message is nowhere in the state. `prefect flow-run execute` then makes it Crashed, naming the exit code only.
# Seen with Prefect 3.8.8, for a deployment that does not enforce its parameter schema. After a parameter was renamed,
# runs created before it end as Crashed rather than Failed, so on_failure hooks and filters for Failed miss them.
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

cat >flows.py <<'END'
from prefect import flow


@flow
def greet(name: str, times: int = 1):
    pass
END
"$folder/venv/bin/python" - <<'END' 2>"$folder/client.log" || { tail -n 1 "$folder/client.log" >&2; exit 1; }
import os
import subprocess
import sys
from importlib.metadata import version

import httpx

api = httpx.Client(base_url=os.environ["PREFECT_API_URL"] + "/", timeout=60)


def post(path, /, **content):
    answer = api.post(path, json=content)
    answer.raise_for_status()
    return answer.json()


deployment = post(
    "deployments/",
    name="greet",
    flow_id=post("flows/", name="greet")["id"],
    path=os.getcwd(),
    entrypoint="flows.py:greet",
    enforce_parameter_schema=False,
)["id"]


def ended(**parameters):
    state = {"type": "PENDING"}
    run = post(f"deployments/{deployment}/create_flow_run", parameters=parameters, state=state)["id"]
    engine = subprocess.run(
        [sys.executable, "-m", "prefect.engine", run],
        env={**os.environ, "PREFECT_LOGGING_LEVEL": "INFO"},
        capture_output=True,
        text=True,
    )
    raised = [n for n in ("SignatureMismatchError", "ParameterBindError") if n in engine.stderr]
    return engine.returncode, api.get(f"flow_runs/{run}").json()["state"]["type"], raised


found = {
    "fitting": ended(name="x"),
    "wrong type": ended(name="x", times="many"),
    "unknown": ended(name="x", colour="red"),
    "lacking": ended(),
}
print("Prefect", version("prefect"))
print("expected: COMPLETED for the fitting one, and FAILED for the other three")
for name, (code, state, raised) in found.items():
    print(f"seen: {name}: {state}, the engine exited with {code}", *raised)
if found != {
    "fitting": (0, "COMPLETED", []),
    "wrong type": (0, "FAILED", []),
    "unknown": (1, "PENDING", ["SignatureMismatchError"]),
    "lacking": (1, "PENDING", ["ParameterBindError"]),
}:
    sys.exit("Changed: a run whose parameters do not fit its flow ends otherwise.")
END

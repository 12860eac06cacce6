#!/usr/bin/env bash
# A process that serves a flow would be expected to treat SIGTERM, which every deploy sends, as the death of its runs:
# Crashed, with on_crashed called, as Prefect 3.8.8 does.
# Prefect 3.9.1 cancels them: the run ends as Cancelled ("Runner is shutting down."), and on_cancellation is called.
# Seen with Prefect 3.9.1. A hook that undoes work when a person cancels also undoes it at each deploy.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "${server:-}" "${serving:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_LOGGING_LEVEL=ERROR
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export PREFECT_API_URL="http://127.0.0.1:$port/api"
"$folder/venv/bin/prefect" server start --host 127.0.0.1 --port "$port" >"$folder/server.log" 2>&1 &
server=$!

cat >"$folder/served.py" <<'END'
import pathlib
import time

from prefect import flow


def called(name):
    def hook(flow, flow_run, state):
        pathlib.Path(name).write_text(f"{state.name}: {state.message}")

    return hook


@flow(on_cancellation=[called("on_cancellation")], on_crashed=[called("on_crashed")])
def sleeps():
    pathlib.Path("begun").touch()
    time.sleep(300)


if __name__ == "__main__":
    sleeps.serve("sleeps")
END

"$folder/venv/bin/python" - <<'END'
import os
import time
import urllib.request

for _ in range(600):
    try:
        urllib.request.urlopen(os.environ["PREFECT_API_URL"] + "/health")
        break
    except OSError:
        time.sleep(0.2)
END
"$folder/venv/bin/python" "$folder/served.py" >"$folder/served.log" 2>&1 &
serving=$!

SERVING=$serving "$folder/venv/bin/python" - <<'END'
import os
import pathlib
import signal
import sys
import time
from importlib.metadata import version

from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment


def until(look, seconds=180):
    for _ in range(seconds * 5):
        try:
            if found := look():
                return found
        except Exception:
            pass
        time.sleep(0.2)
    sys.exit("It took too long: nothing was seen.")


run = until(lambda: run_deployment("sleeps/sleeps", timeout=0, as_subflow=False))
until(pathlib.Path("begun").exists)
os.kill(int(os.environ["SERVING"]), signal.SIGTERM)
with get_client(sync_client=True) as client:
    state = until(lambda: (read := client.read_flow_run(run.id).state).is_final() and read)
until(lambda: [*pathlib.Path().glob("on_*")])
hooks = sorted(path.name for path in pathlib.Path().glob("on_*"))
print("Prefect", version("prefect"))
print("expected: Crashed, and on_crashed is called")
print(f"seen: {state.name} ({state.message}), and {', '.join(hooks)} is called")
if state.name != "Cancelled" or hooks != ["on_cancellation"]:
    sys.exit("Changed: SIGTERM to a serving process cancels its runs no more.")
END

#!/usr/bin/env bash
# A client that sets a flow run's state builds that state with an id and a time of its own, and sees the change accepted.
# The run's history would be expected to hold the state under that id, so that a client could find its own change there
# and see whether another client's came in between: there is no change on a condition.
# The server gives each state an id and a time of its own, forced or not, and the sent ones are nowhere. The id to look
# for is that of the state in the answer.
# Seen with Prefect 3.9.1.
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
import sys
from importlib.metadata import version

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Running, Suspended


@flow
def some_flow():
    """Never run: it only has states."""


print("prefect", version("prefect"))
changed = []
with get_client(sync_client=True) as client:
    for state, force in ((Suspended(message="by us"), True), (Running(), False)):
        run = client.create_flow_run(some_flow).id
        answer = client.set_flow_run_state(run, state, force=force)
        history = {one.id: one for one in client.read_flow_run_states(run)}
        print(f"{state.name}, {'forced' if force else 'not forced'}: {answer.status.value}")
        print("  expected: in the history under the id that was sent:", True)
        print("  seen:    ", state.id in history, "- under the id of the answer:", answer.state.id in history)
        kept = history.get(answer.state.id)
        if state.id in history or kept is None or kept.name != state.name or kept.timestamp == state.timestamp:
            changed.append(state.name)
if changed:
    sys.exit(f"Changed: the history of {changed} holds the sent id or time, or not the answered ones.")
END

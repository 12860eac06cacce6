#!/usr/bin/env bash
# `EventsWorker.set_client_override` sets the class by which a process sends its events. A class that extends Prefect's
# own client should send as that does. emit_event looks for the very class in a list of its own: with any subclass it
# returns None, writes no line of log, and nothing is ever sent, the states of task runs neither.
# Seen with Prefect 3.9.1 on Python 3.11.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1
cd "$folder"

HOME=$folder PREFECT_HOME=$folder PREFECT_API_URL=http://127.0.0.1:9/api DO_NOT_TRACK=1 \
  PREFECT_LOGGING_LEVEL=CRITICAL "$folder/venv/bin/python" - <<'END'
import os
from importlib.metadata import version

from prefect.events import emit_event
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker

print("prefect", version("prefect"))


class Extended(PrefectEventsClient):
    """All is inherited."""


def emitted(client):
    EventsWorker.set_client_override(client)
    event = emit_event(event="letter.sent", resource={"prefect.resource.id": "letter.1"})
    print(f"{client.__name__}: {'an event' if event else event}")
    return event is not None


known, extended = emitted(PrefectEventsClient), emitted(Extended)
assert known, "Prefect's own client takes no event."
assert not extended, "A subclass takes events now."
print("Events of a subclassed client are dropped without a word.", flush=True)
os._exit(0)  # no server listens, and the first event waits for one
END

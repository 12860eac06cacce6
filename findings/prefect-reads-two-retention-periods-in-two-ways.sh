#!/usr/bin/env bash
# Prefect's server has two retention periods: of flow runs (`server.services.db_vacuum.retention_period`) and of events
# (`server.events.retention_period`). One would expect that both read the same text.
# That of flow runs takes a number of seconds. That of events refuses the number, and with it every process that loads
# the settings: the server does not start. It takes ISO 8601, which the other one takes too.
# Seen with Prefect 3.9.1. Whoever gives both periods writes `P7D`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1

"$folder/venv/bin/python" - <<'END'
import os
import sys
from importlib.metadata import version

from prefect.settings.models.server.events import ServerEventsSettings
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from pydantic import ValidationError

SOURCES = {
    "flow runs": ("PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD", ServerServicesDBVacuumSettings),
    "events": ("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", ServerEventsSettings),
}


def outcome(of, text):
    name, settings = SOURCES[of]
    os.environ[name] = text
    try:
        return f"{settings().retention_period.days} days"
    except ValidationError as error:
        return error.errors()[0]["type"]
    finally:
        del os.environ[name]


found = {(of, text): outcome(of, text) for of in SOURCES for text in ("604800", "P7D")}
print("Prefect", version("prefect"))
print("expected: both periods read 604800 and P7D as 7 days")
for (of, text), seen in found.items():
    print(f"seen: {of}, {text}: {seen}")
if list(found.values()) != ["7 days", "7 days", "time_delta_parsing", "7 days"]:
    sys.exit("Changed: the two periods are read in another way.")
END

#!/usr/bin/env bash
# A deployment's recurrence rule (RRULE of RFC 5545) that needs no start of its own would be expected to count from
# when it is made: COUNT=5 gives five runs from now on, and UNTIL=...Z, in UTC as the RFC wants it, runs up to that
# moment.
# Both are taken without a word, and neither ever gives a run. A rule without DTSTART is given one, in the year 2020:
# five days of January 2020 are over, and INTERVAL=2 goes by the days of 2020. That start has no zone, which makes the
# UNTIL in UTC invalid for the library that reads it; the error comes each time the server looks for dates, with the
# message that UNTIL has to be in UTC. With a DTSTART of one's own both work.
# Seen with Prefect 3.9.1 and python-dateutil 2.9.0. The server's log has the error of UNTIL, and nothing at all of
# COUNT.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  prefect==3.9.1 python-dateutil==2.9.0.post0
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1

"$folder/venv/bin/python" - <<'END'
import asyncio
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import RRuleSchedule as Asked
from prefect.server.schemas.schedules import RRuleSchedule

NOW = datetime(2026, 7, 1, tzinfo=UTC)
START = "DTSTART:20260701T000000Z\nRRULE:"
STATED = {
    "FREQ=DAILY;BYHOUR=9": 3,
    "FREQ=DAILY;BYHOUR=9;COUNT=5": 0,
    "FREQ=DAILY;BYHOUR=9;UNTIL=20271231T000000Z": "ValueError",
    START + "FREQ=DAILY;BYHOUR=9;COUNT=5": 3,
    START + "FREQ=DAILY;BYHOUR=9;UNTIL=20271231T000000Z": 3,
}


def dates(rule):
    """How many of the next three dates there are. The schedule itself is made by both sides first."""
    sent = DeploymentScheduleCreate(schedule=Asked(rrule=rule, timezone="UTC")).schedule
    kept = RRuleSchedule.model_validate(sent.model_dump(mode="json"))
    try:
        return len(asyncio.run(kept.get_dates(3, start=NOW)))
    except ValueError as error:
        print(f"({error})")
        return type(error).__name__


print("Prefect", version("prefect"), "python-dateutil", version("python-dateutil"))
print("expected: 3 dates of each rule, or an error when it is made")
seen = {rule: dates(rule) for rule in STATED}
for rule, found in seen.items():
    print(f"seen: {rule!r}: {found}")
if seen != STATED:
    sys.exit("Changed: a rule without a start is refused, or gives dates.")
END

#!/usr/bin/env bash
# A recurrence rule may say in which zone it starts: DTSTART;TZID=America/New_York:20260701T090000, or with a Z at its
# end in UTC. Prefect's documentation says that a schedule keeps to the zone of the start that it was given, so that
# this one would be expected at 9:00 in New York, 13:00 UTC in summer.
# The zone of the start is dropped, and 9:00 is taken in the schedule's own zone: UTC if none is given, where the run
# comes four hours early. 9:00Z with the zone Europe/Berlin is 9:00 in Berlin. The rule is kept and shown as it was
# written.
# Seen with Prefect 3.9.1. A rule that a calendar program wrote has its zone in just that place; it has to be given as
# `timezone` once more, which a rule that says UTC makes wrong by the zone's offset.
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

from dateutil.rrule import rrulestr
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.schedules import RRule
from prefect.server.schemas.schedules import RRuleSchedule

FROM = datetime(2026, 7, 5, tzinfo=UTC)
NEW_YORK = "DTSTART;TZID=America/New_York:20260701T090000\nRRULE:FREQ=DAILY"
IN_UTC = "DTSTART:20260701T090000Z\nRRULE:FREQ=DAILY"
STATED = {
    (NEW_YORK, None): ("13:00", "09:00"),
    (NEW_YORK, "Europe/Berlin"): ("13:00", "07:00"),
    (NEW_YORK, "America/New_York"): ("13:00", "13:00"),
    (IN_UTC, None): ("09:00", "09:00"),
    (IN_UTC, "Europe/Berlin"): ("09:00", "07:00"),
}


def hours(rule, zone):
    """The hour in UTC by dateutil, which Prefect uses, and by Prefect."""
    sent = DeploymentScheduleCreate.from_schedule(RRule(rule, timezone=zone)).schedule
    kept = RRuleSchedule.model_validate(sent.model_dump(mode="json"))
    (date,) = asyncio.run(kept.get_dates(1, start=FROM))
    plain = rrulestr(rule).after(FROM)
    return tuple(f"{one.astimezone(UTC):%H:%M}" for one in (plain, date))


print("Prefect", version("prefect"), "python-dateutil", version("python-dateutil"))
seen = {(rule, zone): hours(rule, zone) for rule, zone in STATED}
for (rule, zone), (plain, given) in seen.items():
    print(f"{rule.partition(chr(10))[0]}, timezone={zone}: expected {plain} UTC, seen {given} UTC")
if seen != STATED:
    sys.exit("Changed: the zone of a rule's start counts otherwise.")
END

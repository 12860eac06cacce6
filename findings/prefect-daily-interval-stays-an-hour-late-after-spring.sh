#!/usr/bin/env bash
# An interval schedule of one day keeps its hour of the clock, as its documentation says: one that begins at 2:30 in
# winter would be expected at 2:30 in summer as well, and only on the day whose clock has no 2:30 at another time.
# From that day on every run is at 3:30, in summer and in the winters after it: each date is counted from the one
# before, and the one of that day was moved. A schedule of the same time in cron's form is back at 2:30 on the next
# day.
# Seen with Prefect 3.9.1 on Python 3.11. Whether a schedule is moved hangs on whether its anchor lies before or behind
# a change of the clocks; a deployment that is made anew, with an anchor in April, is at 2:30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check prefect==3.9.1
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1

"$folder/venv/bin/python" - <<'END'
import asyncio
import platform
import sys
from datetime import datetime, timedelta
from importlib.metadata import version
from zoneinfo import ZoneInfo

from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = [(2026, 3, 28), (2026, 3, 29), (2026, 3, 30), (2026, 7, 1), (2026, 12, 1)]  # no 2:30 on 29 March


def daily(*anchor):
    anchor = datetime(*anchor, 2, 30, tzinfo=BERLIN)
    return IntervalSchedule(interval=timedelta(days=1), anchor_date=anchor, timezone="Europe/Berlin")


def hours(schedule):
    found = []
    for day in DAYS:
        (date,) = asyncio.run(schedule.get_dates(1, start=datetime(*day, tzinfo=BERLIN)))
        found.append(f"{date.astimezone(BERLIN):%H:%M}")
    return found


print("Prefect", version("prefect"), "Python", platform.python_version())
print("days:", *("-".join(map(str, day)) for day in DAYS))
print("expected: 02:30 03:30 02:30 02:30 02:30 of all")
seen = [
    ("cron 30 2 * * *", hours(CronSchedule(cron="30 2 * * *", timezone="Europe/Berlin"))),
    ("1 day since January", hours(daily(2026, 1, 1))),
    ("1 day since April", ["-"] * 3 + hours(daily(2026, 4, 1))[3:]),
]
for name, found in seen:
    print(f"seen: {name}:", *found)
if [found for _, found in seen] != [
    ["02:30", "03:30", "02:30", "02:30", "02:30"],
    ["02:30", "03:30", "03:30", "03:30", "03:30"],
    ["-", "-", "-", "02:30", "02:30"],
]:
    sys.exit("Changed: a daily interval has another hour after the clocks went forward.")
END

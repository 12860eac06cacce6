#!/usr/bin/env bash
# An interval schedule of 36 hours, in a time zone with summer time, would be expected to name one row of times,
# whenever it is asked: a run that is due in April is due at the same time, seen from March and from April.
# Seen from before the change of the clocks its runs are at 9:00 and 21:00, seen from behind it at 10:00 and 22:00:
# from the anchor on to the moment of asking it counts hours, and from there on days of the calendar and hours. The
# server knows a run that it has made by its time alone. So it makes the runs of the days after a change twice, an hour
# apart: those that it had planned ahead, and those that it plans afterwards. It is so for each interval of days and
# hours, 25 too; whole days, or less than one, name one row, and so does each interval in UTC.
# Seen with Prefect 3.9.1 on Python 3.11; a server that was asked for the runs from both moments had made both rows.
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

from prefect.server.schemas.schedules import IntervalSchedule

BERLIN = ZoneInfo("Europe/Berlin")
ANCHOR = datetime(2026, 1, 1, 9, tzinfo=BERLIN)
# The change is on 29 March.
BEFORE, BEHIND, END = (datetime(2026, *day, tzinfo=BERLIN) for day in ((3, 28), (3, 31), (4, 6)))
ONE_ROW = {12: True, 24: True, 25: False, 36: False, 48: True}


def runs(hours, asked, zone="Europe/Berlin"):
    """Those due from BEHIND to END, as seen from `asked`."""
    schedule = IntervalSchedule(interval=timedelta(hours=hours), anchor_date=ANCHOR, timezone=zone)
    dates = asyncio.run(schedule.get_dates(100, start=asked, end=END))
    return [f"{date.astimezone(BERLIN):%a %d %H:%M}" for date in dates if date >= BEHIND]


print("Prefect", version("prefect"), "Python", platform.python_version())
print("expected: the same times on both lines")
print("seen: every 36 h, asked on 28 March:", ", ".join(runs(36, BEFORE)))
print("seen: every 36 h, asked on 31 March:", ", ".join(runs(36, BEHIND)))
seen = {hours: runs(hours, BEFORE) == runs(hours, BEHIND) for hours in ONE_ROW}
for hours, same in seen.items():
    print(f"seen: every {hours} h: {'one row' if same else 'two rows'}")
if seen != ONE_ROW or runs(36, BEFORE, "UTC") != runs(36, BEHIND, "UTC"):
    sys.exit("Changed: what an interval names depends on the moment of asking otherwise.")
END

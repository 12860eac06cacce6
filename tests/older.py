"""The build of before there were releases, from this repository's own history: its SQL, its code."""

import io
import os
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

ROOT = Path(__file__).parents[1]
BUILD = "2932f7a"
"""The last commit without releases; its workers cannot refuse a newer schema."""


def git(*words: str) -> str:
    """What git says, with this checkout's whole history; in CI that is not optional."""
    return _git(*words).decode()


def since_releases() -> str:
    """The commit that brought releases; what databases have had since then stays."""
    first = "supabase/migrations/20261128164500_releases.sql"
    return git("log", "--diff-filter=A", "--format=%h", "--", first).split()[-1]


@cache
def _git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode and os.environ.get("CI") == "true":
        pytest.fail(f"this checkout lacks its history ({words}): clone it whole")
    if done.returncode:
        pytest.skip(f"this checkout lacks its history ({words})")
    return done.stdout


def unpacked(folder: Path) -> Path:
    """A checkout of that build, to be put on PYTHONPATH."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", BUILD))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def migrated_by_it(url: SecretStr) -> list[str]:
    """Run its migrations as its `db migrate` does, each in a transaction; their versions."""
    versions = []
    with (
        tarfile.open(fileobj=io.BytesIO(_git("archive", BUILD, "supabase/migrations"))) as archive,
        psycopg.connect(url.get_secret_value(), autocommit=True) as db,
    ):
        db.execute(
            "create schema if not exists supabase_migrations;"
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        for name in sorted(archive.getnames()):
            if not name.endswith(".sql"):
                continue
            file = archive.extractfile(name)
            assert file is not None
            text = file.read().decode()
            version, _, rest = Path(name).stem.partition("_")
            with db.transaction():
                db.execute(text.encode())
                db.execute(
                    "insert into supabase_migrations.schema_migrations (version, name, statements)"
                    " values (%s, %s, array[%s]) on conflict (version) do update"
                    " set statements = excluded.statements",
                    (version, rest, text),
                )
            versions.append(version)
    return versions

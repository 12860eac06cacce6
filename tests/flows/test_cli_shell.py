"""The command in a shell: completed with the tab key, in a pipe whose reader stops."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from outreach.rpc import Postgres
from outreach.settings import Settings
from outreach.store import Store


@pytest.fixture
def store(database: SecretStr) -> Iterator[Store]:
    opened = Store(Postgres(database), Settings.only(database_url=database))
    yield opened
    opened.close()


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in a bash that finds this environment's `outreach`, and nobody's settings."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, **environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["campaigns", "re"], ["resume", "resolve", "retry-failed"]),
        (["campaigns", "status", "--w"], ["--watch"]),
        (["campaigns", "leads", "--status", "f"], ["failed"]),
    ],
)
def test_bash_completes_commands_options_and_values(
    words: list[str], completed: list[str], tmp_path: Path
) -> None:
    """With the script that the command itself prints, called as bash calls it."""
    quoted = " ".join(f"'{word}'" for word in ("outreach", *words))
    ran = bash(
        f"""
        source <(outreach --show-completion)
        COMP_WORDS=({quoted}); COMP_CWORD={len(words)}
        $(complete -p outreach | sed 's/.*-F //')
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """,
        tmp_path,
    )

    assert (ran.stderr, sorted(ran.stdout.split())) == ("", sorted(completed))


@pytest.mark.parametrize("format_", ["export", "leads", "leads --json"])
def test_a_reader_that_stops_early_ends_the_command_without_a_word(
    format_: str, database: SecretStr, store: Store, tmp_path: Path
) -> None:
    """`| head -1`, with far more to come than a pipe holds."""
    command, _, option = format_.partition(" ")
    ran = bash(
        f"outreach campaigns {command} {_campaign_of(3000, store)} {option} | head -1;"
        ' echo "${PIPESTATUS[0]}"',
        tmp_path,
        DATABASE_URL=database.get_secret_value(),
    )

    assert (len(ran.stdout.splitlines()), ran.stdout.splitlines()[1], ran.stderr) == (2, "1", "")


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    """And reads like any other tool's when its reader is gone."""
    ran = bash("outreach --version; outreach --version | true; echo done", tmp_path)

    assert (ran.stdout, ran.stderr) == (f"{version('outreach')}\ndone\n", "")


def _campaign_of(leads: int, store: Store) -> UUID:
    made = uuid4()
    store.save_account(uuid4(), "ada@ours.example", refresh_token="t")
    store.import_leads([{"email": f"lead{n}@acme.example"} for n in range(leads)], tag="x")
    store.create_campaign(made, "Spring", ["ada@ours.example"], tag="x")
    return made

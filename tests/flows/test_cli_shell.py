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

from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store


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
        (["campaigns", "res"], ["resume", "resolve"]),
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


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_makes_no_success_a_failure(
    closed: str, database: SecretStr, tmp_path: Path
) -> None:
    """As under some supervisors: a script that repeats a failure would do it twice."""
    ran = bash(
        f'outreach suppressions add mia@acme.example {closed}; echo "status $?"',
        tmp_path,
        DATABASE_URL=database.get_secret_value(),
    )

    assert ran.stdout.splitlines()[-1] == "status 0"
    assert "Error" not in ran.stderr


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


@pytest.mark.parametrize(
    "command", ["outreach up --port 0", "outreach sandbox --port 0 --data /proc/none/mails"]
)
def test_a_place_that_may_not_be_written_is_told(command: str, tmp_path: Path) -> None:
    """As on a read-only file system: root may not write below /proc either."""
    ran = bash(command, tmp_path, OUTREACH_HOME="/proc/none/home")

    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith("Error: ")
    assert "/proc/none" in ran.stderr
    assert "cannot be used (No such file or directory" in ran.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("GMAIL_TIMEOUT_SECONDS", "inf"),
        ("SEND_PACE_SECONDS", "nan"),
        ("GMAIL_API_URL", "http://[::1"),
        ("SUPABASE_URL", "https://[::1/x"),
        ("APP_URL", "https://ann:hush@app.example"),
        ("ATTACHMENT_PDF", "https://[::1/x"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(setting: str, value: str, tmp_path: Path) -> None:
    """By every command alike."""
    for command in ("outreach accounts list", "outreach doctor"):
        ran = bash(command, tmp_path, **{setting: value})

        assert ran.returncode == 1
        assert f"{setting} is not usable: " in ran.stderr + ran.stdout
        assert not any(word in ran.stderr + ran.stdout for word in ("Unexpected", "hush", "inf s"))


def test_an_address_of_prefect_that_is_none_is_told(database: SecretStr, tmp_path: Path) -> None:
    """Prefect's own words would be a traceback."""
    ran = bash(
        "outreach doctor",
        tmp_path,
        DATABASE_URL=database.get_secret_value(),
        PREFECT_API_URL="http://ann:hush@[::1",
    )

    assert "fail prefect     PREFECT_API_URL is no web address; it looks like" in ran.stdout
    assert "hush" not in ran.stdout + ran.stderr


def test_an_empty_address_of_prefect_is_none_at_all(database: SecretStr, tmp_path: Path) -> None:
    """As `.env` files write settings that are not made."""
    ran = bash(
        "outreach doctor",
        tmp_path,
        PREFECT_API_URL="",
        DATABASE_URL=database.get_secret_value(),
    )

    assert "PREFECT_API_URL is not set" in ran.stdout
    assert "Unexpected" not in ran.stdout

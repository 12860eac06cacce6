"""docs/reports.md: each of its questions is run as it stands there."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from outreach.cli import app
from tests.sql.conftest import Build

DOCUMENT = (Path(__file__).parents[2] / "docs/reports.md").read_text("utf-8")
QUESTIONS = DOCUMENT.partition("## Ten questions")[2].partition("\n## ")[0]
QUERIES = re.findall(r"```sql\n(.*?)```", QUESTIONS, re.DOTALL)
COMMANDS = re.findall(r"```\n(outreach .*?)\n```", QUESTIONS)
VERSION = "ab" * 32


@pytest.fixture
def campaign(db: psycopg.Connection) -> UUID:
    """One mail sent, one refused."""
    build = Build(db)
    made = build.campaign(build.account(), leads=["jo@acme.test", "mia@acme.test", "noa@acme.test"])
    run = build.begin(made)
    text = {"subject": "Hello", "body": "Hi {{ name }}"}
    for became in ("sent", "refused"):
        content = {"template": VERSION, "own": False, "subject": "Hello", "text": text}
        attempt, _ = build.open(made, run, content=content)
        build.record(attempt, became, why="no such user")
    return made


def test_there_are_ten() -> None:
    assert len(QUERIES) + len(COMMANDS) == QUESTIONS.count("\n**") == 10


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.usefixtures("campaign")
def test_a_query_has_an_answer(db: psycopg.Connection, query: str) -> None:
    assert db.execute(query.encode()).fetchall() != []


def test_the_commands_have_an_answer(
    campaign: UUID,
    database: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())
    run: Callable[[list[str]], int] = app.run
    known = {"ID": str(campaign), "ADDRESS": "jo@acme.test", "HASH": VERSION[:8]}
    for command in COMMANDS:
        words = [known.get(word, word) for word in command.split()[1:]]
        assert run(words) == 0, command
        assert capsys.readouterr().out or (tmp_path / "november.html").stat().st_size > 5000

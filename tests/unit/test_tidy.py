"""What `outreach up` writes for as long as it lives stays bounded."""

import math
import os
from pathlib import Path

import pytest

from deployments.server import runs_kept
from outreach.local import tidy
from outreach.local.tidy import ROUND_SECONDS, Tidy, bound_log

NOW = 2_000_000_000.0
DAY = 86_400.0


def kept_for(seconds: float, folder: Path) -> Tidy:
    return Tidy([folder / "flows.log", folder / "absent.log"], folder / "storage", seconds)


def result(folder: Path, name: str, age: float) -> Path:
    made = folder / "storage" / name
    made.parent.mkdir(exist_ok=True)
    made.write_text("{}")
    os.utime(made, (NOW - age, NOW - age))
    return made


def test_a_long_log_begins_anew_under_its_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidy, "LOG_OCTETS", 10)
    log, older = tmp_path / "flows.log", tmp_path / "flows.log.1"
    older.write_text("of the time before\n")
    with log.open("a") as writer:
        writer.write("a line too long\n")
        writer.flush()

        bound_log(log)
        writer.write("next\n")

    assert (log.read_text(), older.read_text()) == ("next\n", "a line too long\n")
    assert older.stat().st_mode & 0o777 == 0o600
    bound_log(log)
    assert log.read_text() == "next\n"


def test_results_go_with_their_runs(tmp_path: Path) -> None:
    old, young = result(tmp_path, "old", 31 * DAY), result(tmp_path, "young", 29 * DAY)
    (tmp_path / "storage" / "folder").mkdir()

    kept_for(math.inf, tmp_path).look(NOW)
    assert old.exists()
    kept_for(30 * DAY, tmp_path).look(NOW)

    assert (old.exists(), young.exists()) == (False, True)


def test_it_looks_once_an_hour(tmp_path: Path) -> None:
    tidied = kept_for(DAY, tmp_path)
    tidied.look(NOW)
    old = result(tmp_path, "old", 2 * DAY)

    tidied.look(NOW + ROUND_SECONDS - 1)
    assert old.exists()
    tidied.look(NOW + ROUND_SECONDS)
    assert not old.exists()


@pytest.mark.parametrize(
    ("enabled", "period", "seconds"),
    [
        (None, None, 30 * DAY),
        ("events,flow_runs", "604800", 7 * DAY),
        ("true", "604800", 7 * DAY),
        ("events", None, math.inf),
        (None, "a week", math.inf),
    ],
)
def test_runs_are_kept_as_the_environment_says(
    enabled: str | None, period: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("ENABLED", enabled), ("RETENTION_PERIOD", period)):
        monkeypatch.delenv(f"PREFECT_SERVER_SERVICES_DB_VACUUM_{name}", raising=False)
        if text is not None:
            monkeypatch.setenv(f"PREFECT_SERVER_SERVICES_DB_VACUUM_{name}", text)
    assert runs_kept() == seconds

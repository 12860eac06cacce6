"""The unit files of deployments/systemd: systemd takes them, and they say what the code says."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.server import KEPT, SETTINGS
from tests.programs import needed

UNITS = sorted((Path(__file__).parents[2] / "deployments" / "systemd").glob("*.service"))
MOST_EXPOSED = 25
"""Of systemd's own 100; a service without any of its fences has 96."""


@pytest.fixture(params=UNITS, ids=lambda unit: unit.stem)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """With the programs of this environment for those of an installed one: they have to be there."""
    copied = tmp_path / request.param.name
    installed = str(Path(sys.executable).parent).replace(" ", r"\x20")
    copied.write_text(request.param.read_text().replace("/opt/outreach/bin", installed))
    return copied


def analyze(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [needed("systemd-analyze", "systemd"), *words], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_systemd_takes_the_unit(unit: Path) -> None:
    """Without a warning."""
    assert analyze("verify", "--man=no", str(unit)) == (0, "")


def test_the_unit_fences_its_service_in(unit: Path) -> None:
    """No new privileges, no capabilities, nothing to write to but its own folder."""
    status, told = analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit)
    )
    assert status == 0, told


def test_the_servers_settings_are_those_of_up() -> None:
    """One set, in two places: a unit file reads no Python."""
    (unit,) = (unit for unit in UNITS if unit.stem == "prefect-server")
    lines = unit.read_text().splitlines()
    words = " ".join(line.removeprefix("Environment=") for line in lines if line[:12] == "Environment=")  # fmt: skip
    told = dict(word.split("=", 1) for word in shlex.split(words))
    assert {**SETTINGS, **KEPT}.items() <= told.items()

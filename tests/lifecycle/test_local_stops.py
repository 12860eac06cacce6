"""`campaigns start --local`: it stops as any sender does, and says why its server is not there."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from outreach.settings import Settings
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300)]


def start(campaign: UUID, settings: Settings, folder: Path, **more: str) -> "subprocess.Popen[str]":
    """Without a server of Prefect's to ask."""
    return subprocess.Popen(
        [sys.executable, "-m", "outreach.cli", "campaigns", "start", str(campaign), "--local"],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), **settings.exported(), **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 1), (signal.SIGHUP, 1)]
)
def test_a_stop_gives_the_campaign_back(
    number: signal.Signals,
    status: int,
    settings: Settings,
    new_campaign: NewCampaign,
    db: psycopg.Connection,
    tmp_path: Path,
) -> None:
    """Nothing is in doubt and nothing counted; another start may go on at once."""
    campaign = new_campaign(leads=200)
    command = start(campaign, settings, tmp_path)
    until(lambda: db.execute("select from send_attempts").fetchall(), "a mail", 120)

    command.send_signal(number)
    _, told = command.communicate(timeout=120)

    assert command.returncode == status, told
    assert "Traceback" not in told
    assert (f"`outreach campaigns pause {campaign}` stops it" in told) is (status == 130)
    row = db.execute("select status::text, run_id, crash_count from campaigns").fetchone()
    assert row == ("running", None, 0)
    assert db.execute("select from send_attempts where outcome is null").fetchall() == []


def test_a_temporary_server_that_does_not_come_up_is_told(
    settings: Settings, new_campaign: NewCampaign, tmp_path: Path
) -> None:
    """The campaign is what it was."""
    campaign = new_campaign(leads=1)
    hurried = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "1"}

    command = start(campaign, settings, tmp_path, **hurried)
    _, told = command.communicate(timeout=120)

    assert command.returncode == 1
    assert (
        "Nothing was started, since Prefect's temporary server did not come up (it was not up after 1 s)"
        in told
    )
    assert "Traceback" not in told


def test_the_server_of_a_command_ends_where_prefects_profile_names_another(tmp_path: Path) -> None:
    """It is launched before the command knows."""
    named = 'active = "ours"\n[profiles.ours]\nPREFECT_API_URL = "http://127.0.0.1:4/api"\n'
    (tmp_path / "profiles.toml").write_text(named)
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "deployments.own_server", "0", "--for-stdin"],
        env={**os.environ, "PREFECT_HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
    ) as server:
        try:
            assert server.wait(60) == 0
        finally:
            server.kill()

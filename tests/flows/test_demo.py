"""`outreach demo`, as a newcomer runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from outreach.local import postgres

HOSTILE = {
    "DATABASE_URL": "postgresql://real:real@db.company.example/postgres",
    "SUPABASE_URL": "https://real.supabase.example",
    "SUPABASE_SERVICE_ROLE_KEY": "real",
    "GMAIL_API_URL": "https://gmail.example",
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "SEND_PACE_SECONDS": "3600",
}

FOLLOWS = {
    "reply": "a person answers",
    "bounce": r"no campaign mails it again \(5\.1\.1\)",
    "away": "its mails wait until after 20",
    "unsubscribe": "its sender's campaigns mail it no more",
}


@pytest.mark.slow
def test_the_demo_runs_twice_in_a_row_whatever_is_exported(tmp_path: Path) -> None:
    """Nothing is read from `.env` or the environment, and Prefect has every lead's task run."""
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in HOSTILE.items()))

    for number in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "outreach.cli", "demo"],
            cwd=tmp_path,
            env={**os.environ, **HOSTILE},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Demo: completed" in done.stdout
        assert done.stdout.count("│ sent ") == 9
        assert done.stdout.count("│ failed ") == 3
        for kind, follows in FOLLOWS.items():
            assert re.search(rf"│ {kind} +│ {follows}", done.stdout), kind
        with (
            postgres.temporary(tmp_path / ".outreach/demo/prefect") as server,
            psycopg.connect(server.url.get_secret_value()) as db,
        ):
            sends = db.execute(
                "select state_type::text, count(*) from task_run where name like 'send %' group by 1"
            ).fetchall()
        assert dict(sends) == {"COMPLETED": 9 * number, "FAILED": 3 * number}

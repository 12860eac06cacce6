"""`outreach demo`, as a newcomer runs it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import httpx

HOSTILE = {
    "DATABASE_URL": "postgresql://real:real@db.company.example/postgres",
    "SUPABASE_URL": "https://real.supabase.example",
    "SUPABASE_SERVICE_ROLE_KEY": "real",
    "GMAIL_API_URL": "https://gmail.example",
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "SEND_PACE_SECONDS": "3600",
}


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
        (again,) = (line for line in done.stdout.splitlines() if line.startswith("The run again:"))
        command = shlex.split(again.partition(":")[2])
        assert _sends(command, tmp_path) == {"COMPLETED": 9 * number, "FAILED": 3 * number}


def _sends(server: list[str], folder: Path) -> dict[str, int]:
    """How many sends Prefect knows of by state, asked of the server that the demo names."""
    port = "0"
    with subprocess.Popen(
        [*server, port], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            api = f"{process.stdout.readline().strip()}/api"
            return {
                state: httpx.post(
                    f"{api}/task_runs/count",
                    json={
                        "task_runs": {
                            "name": {"like_": "send "},
                            "state": {"type": {"any_": [state]}},
                        }
                    },
                ).json()
                for state in ("COMPLETED", "FAILED")
            }
        finally:
            process.terminate()
            told = process.communicate()
            assert (process.returncode, told) == (0, ("", ""))

"""`outreach web` as a process, for tests of what it answers."""

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
from pydantic import SecretStr

from tests.sql.conftest import Build

PROXY = "127.0.0.2"
"""Is believed; what comes from 127.0.0.1 is not."""


class Web:
    """The process, its database, and a client without cookies."""

    def __init__(self, database: SecretStr, folder: Path) -> None:
        self.database = database
        self.log = folder / "log"
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "outreach.cli", "web", "--port=0", "--metrics-port=0"],
                cwd=folder,
                env={
                    **os.environ,
                    "DATABASE_URL": database.get_secret_value(),
                    "WEB_PROXIES": PROXY,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        assert self.line, self.log.read_text()
        self.url = self.line.split()[0]
        self.port = int(self.url.rpartition(":")[2])
        logged = re.search(r"Metrics: (\S+)", self.log.read_text())
        assert logged is not None
        self.metrics = logged[1]
        self.db = psycopg.connect(database.get_secret_value(), autocommit=True)
        self.build = Build(self.db)

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """One that comes from this address of the machine."""
        transport = httpx.HTTPTransport(local_address=address)
        return httpx.Client(base_url=self.url, transport=transport, timeout=30)

    def mailed(self, address: str | None = None) -> str:
        """The token of a mail that was sent; its recipient has its name."""
        token = f"o{uuid4().hex}"
        self.db.execute(
            "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id,"
            " address, started_at, search_token, finished_at, outcome) values"
            " (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), %s, now(), %s, now(), 'sent')",
            (address or f"{token}@acme.test", token),
        )
        return token

    def suppressed(self, token: str) -> bool:
        key = f"{token}@acme.test"
        found = self.db.execute("select count(*) from suppressions where key = %s", (key,))
        return found.fetchone() == (1,)

    def close(self) -> int:
        self.process.terminate()
        status = self.process.wait(20)
        self.process.stdout.close()  # type: ignore[union-attr]
        self.db.close()
        return status

"""What the benchmarks share: real parts started and ended, campaigns made, CPU and memory read."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg

from deployments.server import RUN_SETTINGS, isolated_environment, running_server
from outreach.local import postgres
from outreach.settings import Settings
from outreach.store import release_sql
from outreach.store.migrate import migrate
from outreach.store.postgres import Postgres
from outreach.store.store import Store

ROOT = Path(__file__).parents[1]
IDLE = 0.1
"""CPU seconds a second of who has nothing to do."""
TEMPLATE = "<p>Hello {{ name }},</p><p>our deck for {{ company }} is attached.</p>" + (
    "<p>A paragraph as long as those of real mails are, about nothing in particular.</p>" * 5
)

SENT_BEFORE = """
with lead as (
  update campaign_leads
  set
    status = 'sent', sent_at = now() - interval '2 days',
    thread_id = 't' || id, message_id = 'm' || id
  where campaign_id = %(campaign)s returning *
), ended as (
  update campaigns set status = 'completed' where id = %(campaign)s
)
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
select
  gen_random_uuid(), lead.campaign_id, lead.id, lead.assigned_account_id, lead.id, leads.email,
  lead.sent_at, 'token', lead.sent_at, 'sent'
from lead join leads on leads.id = lead.lead_id
"""
READ = """
insert into mailboxes (account_id, read_at)
select account_id, now() from campaign_accounts where campaign_id = %(campaign)s
on conflict (account_id) do update set read_at = now()
"""


@dataclass
class World:
    """A Postgres, a Prefect server and a Gmail of a benchmark's own."""

    folder: Path
    settings: Settings
    store: Store
    db: psycopg.Connection
    database: psutil.Process
    prefect: Any
    """A Server; None where a benchmark needs none."""
    gmail: httpx.Client

    # --- what there is to send ----------------------------------------------------------------

    def accounts(self, count: int, *, scope: str = "send", pace: float = 0) -> list[str]:
        """New accounts; their addresses. `scope` send delivers directly, modify by drafts."""
        name = uuid4().hex[:8]
        addresses = [f"sender{number}.{name}@ours.example" for number in range(count)]
        for address in addresses:
            self.store.save_account(
                uuid4(),
                address,
                refresh_token=f"bench:{address}:{scope}",
                sender_name="Ada Lovelace",
                pace_seconds=pace,
                daily_limit=10_000_000,
            )
        return addresses

    def campaign(self, leads: int, accounts: list[str], *, start: bool = True) -> UUID:
        """A campaign with leads of its own."""
        tag, campaign = uuid4().hex[:8], uuid4()
        rows = [lead(number, tag) for number in range(leads)]
        for first in range(0, leads, 1000):
            self.store.import_leads(rows[first : first + 1000], tag=tag)
        self.store.create_campaign(campaign, f"Campaign {tag}", accounts, tag=tag)
        if start:
            self.store.start_campaign(campaign)
        return campaign

    def follow_up(self, campaign: UUID) -> UUID:
        """A step that is due for all leads of a campaign, as if that was sent two days ago."""
        step = uuid4()
        self.db.execute(SENT_BEFORE.encode(), {"campaign": campaign})
        self.db.execute(READ.encode(), {"campaign": campaign})
        self.store.add_step(campaign, step, days=1, template=TEMPLATE)
        while self.store.plan_steps():
            pass
        return step

    # --- who sends it ---------------------------------------------------------------------------

    def environment(self, **settings: Any) -> dict[str, str]:
        """A sender's: this world's settings, with some of them changed, and Prefect's."""
        exported = self.settings.model_copy(update=settings).exported()
        return {
            **isolated_environment(self.folder / "prefect"),
            **exported,
            **RUN_SETTINGS,
            "PREFECT_API_URL": self.prefect.api,
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        }

    def start(self, module: str, *arguments: str, **settings: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, campaign: UUID, *options: str, **settings: Any) -> dict[str, Any]:
        """Run a sender to its end; what it says of itself."""
        return said(self.start("benchmarks.sender", str(campaign), *options, **settings))

    def deploy(self) -> None:
        """The work pool and the deployments, as an operator makes them on a server."""
        for command in (
            ["-m", "deployments.provision"],
            ["-m", "prefect", "--no-prompt", "deploy", "--all"],
        ):
            subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment(),
                check=True,
                capture_output=True,
            )

    def web(self) -> tuple["subprocess.Popen[str]", int]:
        """`outreach web`, which answers; and its port."""
        with (self.folder / "web.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "outreach.cli", "web", "--port", "0"],
                cwd=self.folder,
                env={**os.environ, **self.settings.exported()},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert process.stdout is not None  # noqa: S101 - for the types
        return process, int(process.stdout.readline().split()[0].rpartition(":")[2])

    # --- what became of it ----------------------------------------------------------------------

    def posts(self) -> list[list[Any]]:
        """[at, account, to] of each mail that Gmail took, and forget them."""
        posts: list[list[Any]] = self.gmail.delete("/bench/posts").json()
        return posts

    def one(self, query: str, *arguments: Any) -> Any:
        row = self.db.execute(query.encode(), arguments).fetchone()
        return row and row[0]

    def rest(self) -> None:
        """Wait until Prefect's server has nothing more to write down."""
        rest(self._cpu_of_prefect)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of what serves the sender, by name."""
        return {
            "postgres": cpu_of(self.database),
            "prefect": self._cpu_of_prefect(),
        }

    def _cpu_of_prefect(self) -> float:
        """Its server's and its database's."""
        pids = self.prefect.process.pid, self.prefect.database.pid
        return sum(cpu_of(psutil.Process(pid)) for pid in pids)


def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The line of JSON that a process of ours ends with."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args} failed ({process.returncode})")
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def rest(cpu: Callable[[], float]) -> None:
    """Wait until what spends these CPU seconds has nothing to do."""
    spent = float("inf")
    while spent > IDLE:
        before = cpu()
        time.sleep(1)
        spent = cpu() - before


def completed(db: psycopg.Connection) -> int:
    """Campaigns."""
    row = db.execute("select count(*) from campaigns where status = 'completed'").fetchone()
    return int(row[0]) if row else 0


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process and all its children, of those that have ended too."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def world(
    *,
    latency: float = 0.05,
    pdf: int = 100_000,
    prefect: bool = True,
    mailboxes: bool = False,
    **settings: Any,
) -> Iterator[World]:
    """`latency` of Gmail in seconds, `pdf` octets of attachment; `settings` are the sender's.

    With `mailboxes` its Gmail is the sandbox, which has some and answers without a latency.
    """
    with tempfile.TemporaryDirectory(prefix="outreach-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root, Postgres runs as somebody else, who has to get to its data
        deck = folder / "deck.pdf"
        deck.write_bytes(b"%PDF-1.4\n" + os.urandom(pdf - 9))
        with (
            postgres.temporary(folder, durable=True) as database,
            running_server(folder / "prefect") if prefect else nullcontext() as server,
            sandbox() if mailboxes else gmail(latency) as address,
            httpx.Client(base_url=address, trust_env=False) as client,
            psycopg.connect(database.url.get_secret_value(), autocommit=True) as db,
        ):
            migrate(database.url)
            release_sql.install_working_tree(database.url, database.url)
            chosen = Settings.only(
                **{
                    "database_url": database.url,
                    "outreach_home": folder,
                    "gmail_api_url": address,
                    "google_token_url": f"{address}/token",
                    "app_url": "https://app.example",
                    "attachment_pdf": str(deck),
                    "send_pace_seconds": 0,
                }
                | settings
            )
            store = Store(Postgres(database.url), chosen)
            yield World(folder, chosen, store, db, psutil.Process(database.pid), server, client)
            store.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def gmail(latency: float) -> Iterator[str]:
    """The address of a stand-in of one's own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gmail", str(latency)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    port = process.stdout.readline() if process.stdout else ""
    try:
        yield f"http://127.0.0.1:{port.strip()}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def sandbox() -> Iterator[str]:
    """The address of a Gmail with mailboxes, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gmail_sandbox", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline() if process.stdout else ""
    try:
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait()


def lead(number: int, tag: str) -> dict[str, Any]:
    return {
        "email": f"lead{number}.{tag}@acme{number % 50}.example",
        "name": f"Lead {number}",
        "company": f"Acme {number % 50}",
        "domain": f"acme{number % 50}.example",
        "email_subject": "A deck for you",
        "email_template": TEMPLATE,
    }

"""A world to break things in: a database, a Gmail, senders that die, and an accountant."""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox, serve
from outreach import wiring
from outreach.delivery.reconciler import Settling
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.chaos import sender
from tests.chaos.sender import Plan

PDF = b"%PDF-1.4\n" + bytes(2000)

# Everything imported once: a sender then starts in some twenty milliseconds.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.chaos.sender", "tests.chaos.reader"])

CLOCKS = {
    "accounts": ("paused_until", "next_send_at"),
    "campaigns": ("resume_at", "lease_until"),
    "campaign_leads": ("next_attempt_at", "claimed_until"),
    "send_attempts": ("started_at",),
    "mailboxes": ("lease_until", "next_read_at", "read_at"),
}


@dataclass
class World:
    settings: Settings
    store: Store
    db: psycopg.Connection
    gmail: httpx.Client
    prefect_api: str | None = None
    senders: list[BaseProcess] = field(default_factory=list)

    # --- what there is ------------------------------------------------------------------

    def campaign(self, leads: int = 3, accounts: int = 1, scopes: str = "modify") -> UUID:
        """A started campaign with leads and accounts of its own."""
        name = uuid4().hex[:8]
        addresses = [f"sender{number}.{name}@ours.example" for number in range(accounts)]
        for address in addresses:
            self.store.save_account(uuid4(), address, refresh_token=f"sandbox:{address}:{scopes}")
        rows = [
            {
                "email": f"lead{number}.{name}@acme.example",
                "name": f"Lead {number}",
                "company": "Acme",
                "email_subject": "A deck",
                "email_template": "<p>Hello {{ name }}</p>",
            }
            for number in range(leads)
        ]
        self.store.import_leads(rows, tag=name)  # type: ignore[arg-type]
        campaign = uuid4()
        self.store.create_campaign(campaign, name, addresses, tag=name)
        self.store.start_campaign(campaign)
        return campaign

    def fault(self, fault: str, on: str = "send", **how: Any) -> None:
        self.gmail.post(
            "/sandbox/faults", json={"fault": fault, "on": on, **how}
        ).raise_for_status()

    def mend(self) -> None:
        self.gmail.delete("/sandbox/faults").raise_for_status()

    # --- senders ------------------------------------------------------------------------

    def start(self, campaign: UUID, plan: Plan = Plan()) -> BaseProcess:  # noqa: B008 - frozen
        """A sender: the real flow where there is a Prefect server, else one without Prefect."""
        arguments = (self.settings, campaign, plan)
        process = (
            processes.Process(target=sender.send_by_flow, args=(*arguments, self.prefect_api))
            if self.prefect_api
            else processes.Process(target=sender.send, args=arguments)
        )
        process.start()
        self.senders.append(process)
        return process

    def run(self, campaign: UUID, plan: Plan = Plan(), seconds: float = 60) -> int | None:  # noqa: B008
        """Run a sender to its end; its exit code, negative for a signal."""
        process = self.start(campaign, plan)
        process.join(seconds)
        assert process.exitcode is not None, "the sender hangs"
        return process.exitcode

    def run_until_killed(self, campaign: UUID, step: int) -> bool:
        """Run it; whether it reached the step at which it dies."""
        return self.run(campaign, Plan(at_step=step)) == -signal.SIGKILL

    def run_to_the_end(self, campaign: UUID, rounds: int = 12) -> None:
        """Run it again and again, as the dispatcher would: its owner silent, time moving."""
        for _ in range(rounds):
            self.lapse()
            self.run(campaign)
            status = self.store.campaign_status(campaign)
            # Three deaths without progress are an error: a person looks and starts it again.
            if status.status != "running" and not status.leads.pending:
                return
            self.move_clock(3600)
        pytest.fail(f"the campaign does not end: {status}")

    def settle(self, campaign: UUID) -> None:
        """What the dispatcher does for campaigns that have ended."""
        with wiring.using(self.settings) as services:
            settling = Settling(services.store, services.mailer, services.settings)
            for attempt in self.store.list_open_attempts(campaign):
                settling.settle(attempt)

    def lapse(self) -> None:
        """The owner of every campaign has been silent for too long."""
        self.db.execute("update campaigns set lease_until = now() - interval '1 second'")

    def move_clock(self, seconds: float) -> None:
        """As if that much time had passed: what the database keeps is that much longer ago."""
        for table, columns in CLOCKS.items():
            moved = ", ".join(f"{c} = {c} - {seconds} * interval '1 second'" for c in columns)
            self.db.execute(f"update {table} set {moved}".encode())  # noqa: S608 - our words

    def wait_for_mails(self, count: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while len(self.gmail.get("/sandbox/mails?fields=minimal").json()) < count:
            assert time.monotonic() < deadline, "the sender sends nothing"
            time.sleep(0.005)

    # --- the accountant -----------------------------------------------------------------

    def account_for(self, *campaigns: UUID) -> dict[str, int]:
        """Every lead has ended, no address was accepted twice, both sides count the same.

        How many leads were sent, failed and unclear.
        """
        assert self.gmail.get("/sandbox/duplicates").json() == {}
        accepted = {mail["id"]: mail for mail in self.gmail.get("/sandbox/mails").json()}
        rows = [row for campaign in campaigns for row in self.store.list_campaign_leads(campaign)]
        sent = {row.email: row.message_id for row in rows if row.status == "sent"}
        unclear = {row.email for row in rows if str(row.error).startswith("may have been sent")}
        assert {row.status for row in rows} <= {"sent", "failed", "cancelled"}
        assert len(sent) == sum(row.status == "sent" for row in rows)
        by_address = {mail["to"]: mail["id"] for mail in accepted.values()}
        ours = {row.email for row in rows}
        assert {to for to in by_address if to in ours} >= sent.keys()
        assert {to for to in by_address if to in ours} <= sent.keys() | unclear
        for email, message_id in sent.items():
            assert message_id in {None, by_address[str(email)]}
        return {
            "sent": len(sent),
            "failed": sum(row.status == "failed" for row in rows) - len(unclear),
            "unclear": len(unclear),
        }

    def close(self) -> None:
        for process in self.senders:
            if process.is_alive():
                process.kill()
                process.join()


@pytest.fixture
def world(database: SecretStr, db: psycopg.Connection, tmp_path: Path) -> Iterator[World]:
    deck = tmp_path / "deck.pdf"
    deck.write_bytes(PDF)
    with serve() as sandbox, httpx.Client(base_url=sandbox.url) as gmail:
        settings = chaos_settings(database, sandbox, deck)
        store = Store(Postgres(database), settings)
        made = World(settings, store, db, gmail)
        yield made
        made.close()
        store.close()


def chaos_settings(database: SecretStr, sandbox: Sandbox, deck: Path) -> Settings:
    """Waits that a test can afford, in the same proportions."""
    return Settings.only(
        database_url=database,
        gmail_api_url=sandbox.url,
        google_token_url=sandbox.token_url,
        app_url="https://app.example",
        attachment_pdf=str(deck),
        send_pace_seconds=0,
        account_daily_limit=100_000,
        send_concurrency=2,
        claim_lease_seconds=2,
        gmail_timeout_seconds=0.6,
        gmail_settle_seconds=0.2,
    )


def read_steps(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []

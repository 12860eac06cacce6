"""`outreach demo`: a whole campaign on this machine alone, from a CSV file to recorded mails.

It reads neither `.env` nor the environment, so that it can never reach a real database or Google.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from rich.console import Console
from rich.table import Table

from gmail_sandbox.server import Sandbox, serve
from outreach import wiring
from outreach.campaign.models import CampaignLead
from outreach.cli.campaigns.watch import shown_meanwhile
from outreach.cli.leads.csv_file import Sheet, read_leads
from outreach.errors import OutreachError, Rejected
from outreach.local import access, postgres, private
from outreach.mailboxes.now import read_now
from outreach.settings import Settings
from outreach.store.schema import packaged
from outreach.store.store import Store
from outreach.wiring import Services

ACCOUNTS = {
    "ada@sender.example": "Ada Lovelace",
    "grace@sender.example": "Grace Hopper",
    "edsger@sender.example": "Edsger W. Dijkstra, Ph.D.",
}
PACE_SECONDS = 1.0
BACK = {
    "zoe@acme.example": "reply",
    "soren@globex.example": "bounce",
    "ines@acme.example": "away",
    "yuki@globex.example": "unsubscribe",
}
"""What comes back from whom."""
PERSON = "outreach demo"
"""In whose name the next demo undoes what came back in this one."""
SHOWN = {"sent": "green", "failed": "red", "pending": "yellow", "cancelled": "dim"}


def run(home: Path = Path(".outreach/demo"), **database: object) -> None:
    """Run the demo below `home`; on a terminal it stays up until Enter, for a look at its pages.

    `database`: settings of a database to use instead of the embedded Postgres. Raises OutreachError
    when the campaign does not end as it should.
    """
    private.from_now_on()
    home = private.home(home)
    # Ended by a signal, it still ends its own processes.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    console = Console()
    console.print("Starting Postgres, a Gmail sandbox and a Prefect server on this machine …")
    with ExitStack() as started:
        with console.status("about ten seconds"):
            sandbox = started.enter_context(serve(data=home / "mails"))
            started.callback(postgres.stop, home)
            api = started.enter_context(_prefect(home))
            used = started.enter_context(wiring.using(_settings(home, sandbox, database)))
        campaign = _create(used.store)
        flow_run = _send(console, used.store, campaign)
        _show_outcomes(console, used.store, campaign)
        _send_back(used.store, campaign, sandbox)
        _read_mailboxes(used)
        _show_what_follows(console, used.store, campaign)
        _wait_until_recorded(flow_run, used.store.campaign_status(campaign).leads.sent)
        if sys.stdin.isatty() and console.is_terminal:
            _say(console, f"\nThe mails:  {sandbox.url}")
            _say(console, f"The run:    {api.removesuffix('/api')}/runs/flow-run/{flow_run}")
            _say(console, f"            its page asks for {os.environ['PREFECT_API_AUTH_STRING']}")
            console.input("\nPress Enter to end the sandbox and the server. ")
    _say(console, f"\nThe mails again:  outreach sandbox --data '{home / 'mails'}'")
    _say(console, "Next:             README.md, “A first campaign, by hand”")


def _say(console: Console, line: str) -> None:
    """A line with an address in it, which must not be broken."""
    console.print(line, soft_wrap=True, highlight=False)


def _settings(home: Path, sandbox: Sandbox, database: dict[str, object]) -> Settings:
    return Settings.only(
        outreach_home=home,
        gmail_api_url=sandbox.url,
        google_token_url=sandbox.token_url,
        app_url="http://127.0.0.1:3000",
        attachment_pdf=str(packaged("assets", "assets") / "Project Reach Out Deck.pdf"),
        send_pace_seconds=PACE_SECONDS,
        **database,
    )


@contextmanager
def _prefect(home: Path) -> Iterator[str]:
    """Start a Prefect server and set this process to it alone, before it imports prefect."""
    # Prefect also reads settings from files in the current folder.
    os.chdir(home)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    from deployments.server import SETTINGS, locked_server

    with locked_server(home / "prefect") as server:
        os.environ |= {
            **SETTINGS,
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": server.api,
            "PREFECT_API_AUTH_STRING": access.password(home / "prefect"),
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
        }
        yield server.api


def _create(store: Store) -> UUID:
    with (packaged("assets", "assets") / "demo-leads.csv").open(encoding="utf-8") as file:
        rows = list(read_leads(Sheet(file)))
    for email, name in ACCOUNTS.items():
        store.save_account(uuid4(), email, refresh_token=f"sandbox:{email}", sender_name=name)
    store.import_leads(rows, tag="demo")
    _undo_what_came_back(store)
    campaign = uuid4()
    store.create_campaign(campaign, "Demo", list(ACCOUNTS), tag="demo")
    store.start_campaign(campaign)
    return campaign


def _undo_what_came_back(store: Store) -> None:
    """As a person may: of the demo before some are suppressed, and one is away."""
    store.lift_suppressions(list(BACK), PERSON)
    for email, kind in BACK.items():
        if kind == "away":
            with suppress(Rejected):  # the first demo has mailed nobody
                store.mailboxes.note_answer(email, PERSON)


def _send(console: Console, store: Store, campaign: UUID) -> str:
    """Run the flow here and show its progress; returns the id of the flow run."""
    from flows.send_campaign import send_campaign

    # Without advice: the commands in it would use another database.
    with shown_meanwhile(store, campaign, console, advice=False):
        state = send_campaign(campaign, return_state=True)
    if not state.is_completed() or state.name != "Completed":
        raise OutreachError(f"The demo's campaign ended as {state.name}: {state.message}")
    return store.campaign_status(campaign).flow_run_ids[-1]


def _show_outcomes(console: Console, store: Store, campaign: UUID) -> None:
    status = store.campaign_status(campaign)
    table = Table("lead", "outcome", "from", "why", title=f"{status.name}: {status.status}")
    for lead in store.list_campaign_leads(campaign):
        colour = SHOWN[lead.status]
        table.add_row(lead.email, f"[{colour}]{lead.status}[/]", lead.account, lead.error or "")
    console.print(table)


def _send_back(store: Store, campaign: UUID, sandbox: Sandbox) -> None:
    """As the buttons of the sandbox's page do."""
    for lead in store.list_campaign_leads(campaign):
        if kind := BACK.get(lead.email or ""):
            answer = {"kind": kind, "mail": lead.message_id}
            httpx.post(f"{sandbox.url}/sandbox/inbound", json=answer).raise_for_status()


def _read_mailboxes(services: Services) -> None:
    """As workers do every minute or two."""
    for email in ACCOUNTS:
        for reading in read_now(services.store, services.inbox, address=email):
            if reading.problem:
                raise OutreachError(f"The demo's mailbox {email} was not read: {reading.problem}")


def _show_what_follows(console: Console, store: Store, campaign: UUID) -> None:
    causes = {one.key: one.cause for one in store.list_suppressions()}
    table = Table("lead", "came back", "what follows", title="What came back, as it was read")
    for lead in store.list_campaign_leads(campaign):
        if kind := BACK.get(lead.email or ""):
            table.add_row(lead.email, kind, _follows(lead, causes.get(lead.email or "")))
    console.print(table)


def _follows(lead: CampaignLead, cause: str | None) -> str:
    """Why this lead gets nothing more, by what the database has of it."""
    match lead:
        case CampaignLead(bounced_at=datetime()) if cause == "dead":
            return f"no campaign mails it again ({lead.bounce_status})"
        case CampaignLead(unsubscribed_at=datetime()) if cause == "opt_out":
            return "its sender's campaigns mail it no more"
        case CampaignLead(away_at=datetime(), back_on=date()):
            return f"its mails wait until after {lead.back_on}"
        case CampaignLead(replied_at=datetime()):
            return "a person answers, and no program"
        case _:
            raise OutreachError(f"The demo did not find what came back from {lead.email}.")


def _wait_until_recorded(flow_run: str, mails: int) -> None:
    """Prefect's server records task runs a moment later; ending it earlier would lose them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run)]))
    deadline = time.monotonic() + 20
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_task_runs(flow_run_filter=chosen)
            recorded = sum(run.name.startswith("send ") for run in runs)
            if recorded >= mails and all(run.state and run.state.is_final() for run in runs):
                return
            time.sleep(0.2)
    raise OutreachError("Prefect's server did not record every task run in time.")

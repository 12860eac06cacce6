"""The whole job on real parts: Postgres, the sandbox, a Prefect server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)
from pydantic import SecretStr

from deployments.server import prefect_server
from gmail_sandbox.server import Sandbox, serve
from outreach import wiring
from outreach.settings import Settings
from outreach.store.store import Store
from tasks.ending import hand_over

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 40
HAND_OVER_SECONDS = 10.0
TEMPLATE = "<p>Hello {{ name }},</p><p>greetings to {{ company }}.</p>"


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server of this test session; every flow of it runs against that one."""
    home = tmp_path_factory.mktemp("prefect")
    with (
        prefect_server(home) as api,
        temporary_settings(
            {
                PREFECT_API_URL: api,
                PREFECT_HOME: home,
                PREFECT_LOGGING_LEVEL: "ERROR",
                # Its thread takes a second to end.
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            }
        ),
    ):
        yield api
        hand_over(HAND_OVER_SECONDS)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Gmail of this test's own."""
    with serve() as running:
        yield running


@pytest.fixture
def gmail(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """The sandbox's control API."""
    with httpx.Client(base_url=sandbox.url) as client:
        yield client


@pytest.fixture
def settings(database: SecretStr, sandbox: Sandbox, tmp_path: Path) -> Settings:
    deck = tmp_path / "Project Reach Out Deck.pdf"
    deck.write_bytes(PDF)
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path / "home",
        gmail_api_url=sandbox.url,
        google_token_url=sandbox.token_url,
        app_url="https://app.example",
        attachment_pdf=str(deck),
        send_pace_seconds=0,
        account_daily_limit=100_000,
        gmail_timeout_seconds=2,
        gmail_settle_seconds=0.5,
    )


@pytest.fixture
def store(prefect_api: str, settings: Settings) -> Iterator[Store]:  # noqa: ARG001
    """The Store that the flow uses too: its parts are these settings'."""
    with wiring.using(settings) as services:
        yield services.store


NewCampaign = Callable[..., UUID]


@pytest.fixture
def new_campaign(store: Store) -> NewCampaign:
    """Make and start a campaign: `leads` are rows as of a CSV file, or how many to make up."""

    def new(
        leads: int | list[dict[str, object]] = 3, accounts: int = 1, scopes: str = "modify"
    ) -> UUID:
        rows = leads if isinstance(leads, list) else [_lead(number) for number in range(leads)]
        for start in range(0, len(rows), 1000):
            store.import_leads(rows[start : start + 1000], tag="test")
        addresses = [f"sender{number}@ours.example" for number in range(accounts)]
        for address in addresses:
            store.save_account(
                uuid4(),
                address,
                refresh_token=f"sandbox:{address}:{scopes}",
                sender_name="Ada Löwe",
            )
        campaign = uuid4()
        store.create_campaign(campaign, "Spring", addresses, tag="test")
        store.start_campaign(campaign)
        return campaign

    return new


def _lead(number: int) -> dict[str, object]:
    return {
        "email": f"lead{number}@acme{number % 7}.example",
        "name": f"Lead {number}",
        "company": f"Acme {number % 7}",
        "domain": f"acme{number % 7}.example",
        "email_subject": "A deck for you",
        "email_template": TEMPLATE,
    }

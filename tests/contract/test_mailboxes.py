"""Reading mailboxes: what comes back, to which lead, and what follows."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox
from outreach.settings import Settings
from outreach.wiring import open_services
from tests.contract.mailed import ADA, Mailed
from tests.inbound_mails import mail

JO, KIM = "jo@lead.example", "kim@lead.example"


@pytest.fixture
def settings(database: SecretStr, shared_sandbox: Sandbox, tmp_path: Path) -> Settings:
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path,
        gmail_api_url=shared_sandbox.url,
        google_token_url=shared_sandbox.token_url,
        send_pace_seconds=0,
        attachment_pdf="",
    )


@pytest.fixture
def mailed(settings: Settings, shared_sandbox: Sandbox) -> Iterator[Mailed]:
    services = open_services(settings)
    with httpx.Client(base_url=shared_sandbox.url) as gmail:
        yield Mailed(services, gmail)
    services.close()


@pytest.fixture
def fault(mailed: Mailed) -> Iterator[None]:
    yield
    mailed.gmail.delete("/sandbox/faults")


def test_each_kind_reaches_its_lead(mailed: Mailed) -> None:
    owner = uuid4()
    emails = [
        f"{kind}@lead.example" for kind in ("reply", "bounce", "away", "unsubscribe", "complaint")
    ]
    campaign = mailed.campaign(*emails, owner=owner)
    for email in emails:
        mailed.back(email.partition("@")[0], email)

    told = mailed.read()

    assert (told.recorded, told.problem) == (5, None)
    assert mailed.replies(campaign) == [
        ("away@lead.example", "away", "none"),
        ("bounce@lead.example", "bounce", "dead"),
        ("complaint@lead.example", "complaint", "none"),
        ("reply@lead.example", "reply", "none"),
        ("unsubscribe@lead.example", "unsubscribe", "none"),
    ]
    assert mailed.suppressed() == {
        ("bounce@lead.example", "dead", None),
        ("complaint@lead.example", "complaint", None),
        ("unsubscribe@lead.example", "opt_out", owner),
    }
    assert mailed.read().recorded == 0

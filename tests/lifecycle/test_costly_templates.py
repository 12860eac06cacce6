"""Leads whose templates burn all that the sandbox lets them, between thirty ordinary ones."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gmail_sandbox.server import Sandbox
from tests.flows.conftest import sandbox  # noqa: F401 - what pytest finds here
from tests.flows.test_up import Machine, until
from tests.lifecycle.test_stuck_threads import ENDS, slots
from tests.unit.test_template_budget import COSTLY

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(400)]

ORDINARY = 30
SECONDS = 60.0
KINDS = [kind for kind in COSTLY if kind != "lists in lists"]
"""That one takes more than the 256 kB that a lead's fields may have in the database."""
LOOP = "{{% for i in passes %}}{}{{% endfor %}}."


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:  # noqa: F811
    made = Machine(tmp_path, sandbox)
    made.up_and_ready()
    made.until_served()
    yield made
    made.close()


@pytest.mark.parametrize("kinds", [["title"], KINDS], ids=["one lead", "a lead a kind"])
def test_costly_leads_keep_no_other_lead_from_its_mail(machine: Machine, kinds: list[str]) -> None:
    """The others are mailed within a minute, each costly one fails with its reason, nothing stays."""
    campaign = machine.campaign("spring", leads=ORDINARY + len(kinds))
    with psycopg.connect(machine.outreach("db", "url"), autocommit=True) as db:
        for number, kind in enumerate(kinds):
            piece, fields = COSTLY[kind]
            db.execute(
                "update leads set email_template = %s, custom_fields = %s where email = %s",
                [
                    LOOP.format(piece * 40),
                    Jsonb({**shorter(fields), "passes": list(range(1_000))}),
                    f"spring{number}@acme.example",
                ],
            )
        began = time.monotonic()
        run = machine.outreach("campaigns", "start", campaign, "--force")
        until(lambda: machine.sent() == ORDINARY, "the mails of the others", SECONDS)
        print(f"{ORDINARY} mails in {time.monotonic() - began:.1f} s")  # noqa: T201
        until(lambda: machine.status(campaign)["status"] == "completed", "the campaign's end")

        failed = db.execute("select error from campaign_leads where status = 'failed'").fetchall()
    told = ("takes too long to fill", "longer than")
    assert len(failed) == len(kinds)
    assert [error for (error,) in failed if not any(words in error for words in told)] == []
    until(lambda: slots(machine) == 0, "the slots")
    until(lambda: machine.state(run)["type"] in ENDS, "the end of the run")


def shorter(fields: dict[str, Any]) -> dict[str, Any]:
    """As large as the database hands them to a run: 256 kB."""
    return {name: _part(value) for name, value in fields.items()}


def _part(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(islice(value.items(), 4_000))
    return value[: 60_000 if isinstance(value, str) else 8_000]

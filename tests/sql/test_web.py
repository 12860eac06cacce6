"""What recipients' programs ask for: the open pixel of an older endpoint; trials of the address."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

BASE = "https://app.example"
HOUR = 3600.0


# --- the open pixel -------------------------------------------------------------------------------


def test_the_first_opening_stays(build: Any, call: Any, t0: datetime) -> None:
    """Mail programs fetch a picture again."""
    campaign = build.campaign(build.account(), leads=2)
    opened, other = sorted(leads(build, campaign))
    answers = [call.record_open(lead=opened, at=at)["answer"] for at in (10, 20)]
    assert answers == ["opened", "unchanged"]
    (at,) = build.fields("campaign_leads", opened, "opened_at")
    assert datetime.fromisoformat(at) == t0 + timedelta(seconds=10)
    assert build.fields("campaign_leads", other, "opened_at") == (None,)


def test_an_opening_of_nothing_changes_nothing(build: Any, call: Any) -> None:
    build.campaign(build.account(), leads=1)
    before = build.everything()
    assert call.record_open(lead=uuid4())["answer"] == "unchanged"
    assert build.everything() == before


def leads(build: Any, campaign: UUID) -> list[UUID]:
    found = build.db.execute("select id from campaign_leads where campaign_id = %s", (campaign,))
    return [row[0] for row in found]


# --- trials ---------------------------------------------------------------------------------------


def take(call: Any, fresh: str, **more: Any) -> str | None:
    found = call.take_canary(web_address=BASE, fresh_canary=fresh, **more)
    return found and str(found["canary"])


def test_an_address_keeps_its_canary(call: Any) -> None:
    """Two that try it at once do not hinder each other."""
    assert [take(call, "canary1"), take(call, "canary2")] == ["canary1", "canary1"]


def test_the_result_of_a_trial_has_an_age(call: Any) -> None:
    take(call, "canary1")
    assert call.read_canary(web_address=BASE) is None
    call.note_canary(web_address=BASE, well=False, why="HTTP 404", at=0)
    assert call.read_canary(web_address=BASE, at=60) == {
        "canary": "canary1", "answers": False, "problem": "HTTP 404", "age_seconds": 60,
    }  # fmt: skip
    call.note_canary(web_address=BASE, well=True, at=90)
    assert call.read_canary(web_address=BASE, at=100) == {
        "canary": "canary1", "answers": True, "problem": None, "age_seconds": 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "status", "well", "age", "tried"),
    [
        (True, "running", True, 901, True),
        (True, "running", True, 899, False),
        (True, "scheduled", False, 1, True),
        (True, "completed", False, 1, False),
        (False, "running", False, 1, False),
    ],
)
def test_the_dispatcher_tries_an_address_that_campaigns_need(
    build: Any, call: Any, header: bool, status: str, well: bool, age: float, tried: bool
) -> None:
    """One that answers each quarter of an hour, one that does not each minute."""
    build.campaign(build.account(), status=status, list_unsubscribe=header)
    take(call, "canary1")
    call.note_canary(web_address=BASE, well=well, at=0)
    assert (take(call, "c", rest_seconds=900.0, at=age) is not None) == tried


def test_a_canary_unsubscribes_nobody(build: Any, call: Any) -> None:
    take(call, "canary1")
    before = build.everything()
    assert call.unsubscribe(token="canary1")["answer"] == "canary"
    assert call.unsubscribe(token="canary2")["answer"] == "unknown"
    assert build.everything() == before


# --- a campaign's row -----------------------------------------------------------------------------


def test_a_row_of_the_web_app_has_neither_header_nor_footer(build: Any, call: Any) -> None:
    """The mails of the sender before us had none."""
    campaign = build.campaign(build.account(), leads=1)
    facts = call.campaign_facts(campaign=campaign)
    checked = call.check_campaign(campaign=campaign)
    assert [facts[name] for name in ("list_unsubscribe", "footer", "footer_required")] == [
        False,
        None,
        False,
    ]
    assert [checked[name] for name in ("list_unsubscribe", "footer")] == [False, None]


def test_a_call_of_the_release_before_makes_a_campaign_without(build: Any, call: Any) -> None:
    build.account("ann@us.test")
    company = build.company()
    build.lead("mia@acme.test", company_id=company)
    made = uuid4()
    answer = call.create_campaign(
        campaign=made, campaign_name="N", account_addresses=["ann@us.test"], company_names=["Acme"]
    )
    assert answer["answer"] == "created"
    assert build.fields("campaigns", made, "list_unsubscribe", "footer") == (False, None)

"""What people who watch are told of a campaign."""

from typing import Any
from uuid import UUID

import pytest


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def bert(build: Any) -> UUID:
    made: UUID = build.account("bert@us.test")
    return made


def test_each_account_has_its_leads_counted_and_its_rate(
    build: Any, call: Any, account: UUID, bert: UUID
) -> None:
    """The counts are of all runs, mails and rate of this one: three in a minute are two intervals."""
    campaign = build.campaign(account, leads=6)
    build.in_campaign(campaign, build.lead(), bert)
    build.mail(campaign, build.begin(campaign))
    run = build.begin(campaign, at=100)
    for at in (100, 120, 160):
        build.mail(campaign, run, at=at)
    build.mail(campaign, run, "refused", at=170)
    rows = {row["email"]: row for row in call.rows("campaign_account_summary", campaign=campaign, run=run)}  # fmt: skip

    assert rows == {
        "ann@us.test": {"id": str(account), "email": "ann@us.test", "sent": 4, "failed": 1, "pending": 1, "cancelled": 0, "sent_by_run": 3, "per_minute": 2},
        "bert@us.test": {"id": str(bert), "email": "bert@us.test", "sent": 0, "failed": 0, "pending": 1, "cancelled": 0, "sent_by_run": 0, "per_minute": None},
    }  # fmt: skip


def test_an_account_whose_row_is_gone_keeps_its_line(build: Any, call: Any, account: UUID) -> None:
    """The web app's own schema may not forbid it."""
    build.db.execute(
        "alter table campaign_leads drop constraint campaign_leads_assigned_account_id_fkey"
    )
    build.db.execute(
        "alter table campaign_accounts drop constraint campaign_accounts_account_id_fkey"
    )
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.db.execute("delete from accounts")
    (row,) = call.rows("campaign_account_summary", campaign=campaign, run=run)
    assert (row["email"], row["pending"]) == (None, 1)


def test_leads_whose_account_was_deleted_are_in_the_summary(
    build: Any, call: Any, account: UUID, bert: UUID
) -> None:
    """As the last line, so that the lines add up."""
    campaign = build.campaign(account, bert, leads=2)
    run = build.begin(campaign)
    build.db.execute("delete from campaign_accounts where account_id = %s", (account,))
    build.db.execute("delete from accounts where id = %s", (account,))
    rows = call.rows("campaign_account_summary", campaign=campaign, run=run)
    assert [(row["email"], row["pending"]) for row in rows] == [("bert@us.test", 1), (None, 1)]
    after = UUID(rows[-1]["id"])
    assert call.rows("campaign_account_summary", campaign=campaign, run=run, after=after) == []


def test_accounts_come_a_page_at_a_time(build: Any, call: Any, account: UUID, bert: UUID) -> None:
    """By key, as everything that lists rows."""
    campaign = build.campaign(account, bert, leads=2)
    run = build.begin(campaign)
    first, second = sorted([str(account), str(bert)])
    pages = [
        call.rows("campaign_account_summary", campaign=campaign, run=run, most=1, after=after)
        for after in (UUID(int=0), UUID(first), UUID(second))
    ]
    assert [[row["id"] for row in page] for page in pages] == [[first], [second], []]

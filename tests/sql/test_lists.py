"""The lists of campaigns and leads: in order, page by page, as they were before for who asks so."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest


def pages(build: Any, **arguments: Any) -> list[str]:
    """The names of campaigns, two a page."""
    names: list[str] = []
    last: dict[str, Any] = {}
    while rows := build.sql.rows("recent_campaigns", most=2, **arguments, **last):
        names += [row["name"] for row in rows]
        last = {"before": rows[-1]["created_at"], "before_id": UUID(rows[-1]["id"])}
    return names


@pytest.fixture
def campaigns(build: Any, t0: Any) -> dict[str, UUID]:
    """Seven: three of the same moment, and one of a web app that noted none."""
    made = {}
    for name, seconds in (("a", 1), ("b", 0), ("c", 2), ("d", 2), ("e", 2), ("f", 3), ("g", None)):
        made[name] = build.campaign(status="draft" if name == "f" else "running")
        build.db.execute("alter table campaigns alter column created_at drop not null")
        created = None if seconds is None else t0 + timedelta(seconds=seconds, microseconds=7)
        build.db.execute(
            "update campaigns set name = %s, created_at = %s where id = %s",
            (name, created, made[name]),
        )
    return made


def test_campaigns_come_newest_first_page_by_page(build: Any, campaigns: dict[str, UUID]) -> None:
    """Each once, those of one moment by their ids, those without a time last."""
    together = sorted("cde", key=lambda name: campaigns[name], reverse=True)
    assert pages(build) == ["f", *together, "a", "b", "g"]


def test_campaigns_are_chosen_by_status_and_time(
    build: Any, t0: Any, campaigns: dict[str, UUID]
) -> None:
    """Over all pages; one without a time is of no day."""
    assert campaigns
    assert pages(build, with_status="draft") == ["f"]
    assert sorted(pages(build, since=t0 + timedelta(seconds=2))) == ["c", "d", "e", "f"]
    assert pages(build, since=t0 + timedelta(seconds=3), with_status="running") == []


def test_a_campaign_that_is_made_or_deleted_between_two_pages_loses_no_other(
    build: Any, campaigns: dict[str, UUID]
) -> None:
    """The next page begins behind the last row's place, not behind the row."""
    first = build.sql.rows("recent_campaigns", most=2)
    build.db.execute("delete from campaigns where id = %s", (UUID(first[-1]["id"]),))
    build.campaign()
    rest = build.sql.rows(
        "recent_campaigns", before=first[-1]["created_at"], before_id=UUID(first[-1]["id"])
    )
    assert {row["name"] for row in (*first, *rest)} == set(campaigns)


def test_a_worker_of_before_gets_its_list_by_key_as_ever(
    build: Any, campaigns: dict[str, UUID]
) -> None:
    """Its call knows of no order."""
    rows = build.sql.rows("list_campaigns", most=100)
    assert [row["id"] for row in rows] == sorted(map(str, campaigns.values()))


def test_a_listed_campaign_has_its_counts_and_its_accounts(build: Any) -> None:
    """As its status has them."""
    ann, bob = build.account("bob@us.test"), build.account("ann@us.test")
    campaign = build.campaign(ann, bob, leads=3)
    listed = build.sql.call("recent_campaigns")
    status = build.sql.call("campaign_status", campaign=campaign)
    assert listed == {name: value for name, value in status.items() if name != "steps"}
    assert (listed["accounts"], listed["leads"]["pending"]) == (["ann@us.test", "bob@us.test"], 3)


# --- leads ------------------------------------------------------------------------------------


def test_leads_are_listed_page_by_page_by_tag_and_status(build: Any) -> None:
    """The tag by the rule of create_campaign."""
    account = build.account()
    campaign, other = build.campaign(account), build.campaign(account)
    leads = [
        build.lead(f"{number}@x.test", tag="spring" if number % 2 else None) for number in range(7)
    ]
    for number in (1, 2, 3):
        build.in_campaign(campaign, leads[number], account, status="failed")
    build.in_campaign(other, leads[3], account)

    def numbers(**chosen: Any) -> list[int]:
        found: list[int] = []
        after = UUID(int=0)
        while rows := build.sql.rows("list_leads", most=2, after=after, **chosen):
            found += [int(row["email"][0]) for row in rows]
            after = UUID(rows[-1]["id"])
        return sorted(found)

    assert numbers() == list(range(7))
    assert numbers(with_tag="spring") == [1, 3, 5]
    assert numbers(with_status="failed") == [1, 2, 3]
    assert numbers(with_tag="spring", with_status="pending") == [3]
    assert numbers(with_tag="autumn") == []
    build.db.execute("update leads set list_tags = '{autumn}' where email < '2'")
    assert numbers(with_tag="autumn") == [0, 1]


def test_a_listed_lead_has_what_became_of_it_in_each_campaign(build: Any, t0: Any) -> None:
    """And when it was mailed last."""
    account = build.account()
    lead = build.lead(
        "zoe@x.test", tag="spring", list_tags=["spring", "autumn"], name="Zoë",
        company_id=build.company("Acme"),
    )  # fmt: skip
    for status, sent_at in (("sent", t0), ("sent", t0 + timedelta(1)), ("pending", None)):
        build.in_campaign(build.campaign(account), lead, account, status=status, sent_at=sent_at)

    row = build.sql.list_leads()

    assert row.pop("sent_at").startswith("2026-11-25T09:00:00")
    assert row == {
        "id": str(lead), "email": "zoe@x.test", "name": "Zoë", "role": None, "company": "Acme",
        "tags": ["autumn", "spring"],
        "campaigns": {"pending": 1, "sent": 2, "failed": 0, "cancelled": 0},
    }  # fmt: skip

"""Custom fields that no sender can read: they fail their lead, and nobody else's."""

from typing import Any
from uuid import UUID

import pytest

UNREADABLE = {
    "a number of 5,001 digits": (
        '{"x": 1e5000}', "hold a number that nothing can count, such as 1e5000"),
    "a number below all": (
        '{"x": [{"y": -1e131071}]}', "hold a number that nothing can count, such as 1e5000"),
    "a number of 16,383 places": (
        '{"x": 1e-16383}', "hold a number that nothing can count, such as 1e5000"),
    "1,000 levels": (
        '{"x": ' + "[" * 1_000 + "1" + "]" * 1_000 + "}", "hold lists in lists, more than 100 deep"),
    "1,000 tables": (
        '{"x":' * 1_000 + "1" + "}" * 1_000, "hold lists in lists, more than 100 deep"),
    "a megabyte": ('{"x": "' + "x" * 1_000_000 + '"}', "are larger than 256 kB"),
    "a megabyte of numbers": (
        '{"x": [' + ",".join(["1e299"] * 4_000) + "]}", "are larger than 256 kB"),
}  # fmt: skip
READABLE = [
    '{"x": 1e20, "y": -0.001, "z": 0, "deep": [[[[[1]]]]], "text": "%s"}' % ("x" * 100_000),
    '{"x": "1e5000", "y": null, "z": true}',
    "[1e5000]",
    "null",
]


def written(build: Any, lead: UUID, fields: str) -> None:
    build.db.execute("update leads set custom_fields = %s::jsonb where id = %s", (fields, lead))


@pytest.mark.parametrize(("fields", "why"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_claim_fails_a_lead_whose_fields_nobody_can_read(
    build: Any, fields: str, why: str
) -> None:
    """The others of the claim are handed out; a sender of an older version meets nothing new."""
    account = build.account()
    campaign = build.campaign(account, leads=["a@acme.test", "b@acme.test", "c@acme.test"])
    (hostile,) = build.db.execute("select id from leads where email = 'b@acme.test'").fetchone()
    written(build, hostile, fields)
    build.db.execute("update accounts set pace_seconds = 0")

    claimed = build.claim(campaign, build.begin(campaign))

    assert {one["lead"]["email"] for one in claimed["claims"]} == {"a@acme.test", "c@acme.test"}
    states = build.db.execute(
        "select status, error from campaign_leads where lead_id = %s", (hostile,)
    ).fetchall()
    assert states == [("failed", f"The lead's custom fields {why}; correct them, then retry it")]


@pytest.mark.parametrize("fields", READABLE, ids=range(len(READABLE)))
def test_what_can_be_read_is_handed_out(build: Any, fields: str) -> None:
    """Large numbers of this world, some depth, a long text; what is no table is none."""
    account = build.account()
    campaign = build.campaign(account, leads=["a@acme.test"])
    build.db.execute("update leads set custom_fields = coalesce(%s::jsonb, '{}')", (fields,))

    (claim,) = build.claim(campaign, build.begin(campaign))["claims"]

    (expected,) = build.db.execute(
        "select case when jsonb_typeof(custom_fields) = 'object' then custom_fields else '{}' end from leads"
    ).fetchone()
    assert claim["lead"]["custom_fields"] == expected


@pytest.mark.parametrize(("fields", "why"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_look_at_the_mails_says_why(build: Any, fields: str, why: str) -> None:
    """The lead is listed without its fields."""
    campaign = build.campaign(build.account(), leads=["a@acme.test", "b@acme.test"])
    (hostile,) = build.db.execute("select id from leads where email = 'b@acme.test'").fetchone()
    written(build, hostile, fields)

    mails = {
        one["lead"]["email"]: one["lead"] for one in build.sql.rows("list_mails", campaign=campaign)
    }

    assert mails["b@acme.test"] | {"name": None, "role": None} == {
        "email": "b@acme.test", "name": None, "role": None, "custom_fields": {}, "unreadable": why,
    }  # fmt: skip
    assert mails["a@acme.test"]["unreadable"] is None


def test_rows_of_a_megabyte_are_cut_where_they_are_handed_out(build: Any) -> None:
    """A claim of a hundred of them is no gigabyte; what is left of each is still too long to send."""
    account = build.account()
    campaign = build.campaign(account, leads=["a@acme.test"])
    build.db.execute("update leads set name = repeat('n', 2000000), role = repeat('r', 2000000)")
    build.db.execute(
        "update companies set email_subject = repeat('s', 2000000),"
        " email_template = repeat('t', 2000000)"
    )

    (claim,) = build.claim(campaign, build.begin(campaign))["claims"]

    assert {len(claim["lead"][name]) for name in ("name", "role")} == {200_001}
    company = claim["company"]
    assert [len(company[n]) for n in ("email_subject", "email_template")] == [1_001, 1_000_001]


@pytest.mark.parametrize("pace", ["NaN", "Infinity"])
def test_a_pace_that_is_no_number_is_a_day(build: Any, pace: str) -> None:
    """Whoever wrote it into the row: the run goes on."""
    account = build.account(pace_seconds=pace)
    campaign = build.campaign(account, leads=["a@acme.test", "b@acme.test"])
    run = build.begin(campaign)

    waits = [build.claim(campaign, run)["claims"][0]["wait_seconds"] for _ in range(2)]

    assert (waits, build.claim(campaign, run)["answer"]) == ([0, 86_400], "later")

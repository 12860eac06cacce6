"""One form of an address in SQL, the same as in Python, and what is compared by it."""

import re
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outreach.mail.addresses import is_valid, mailbox_key, normalise
from outreach.store.schema import migrations
from tests.unit.test_mailboxes import spellings

BOOKS = [
    "x@bücher.test", "x@xn--bcher-kva.test", "X@bu\u0308cher.test", "x@bücher.test\u00a0",
    "x@ｂüｃｈｅｒ．test", "x@BÜCHER。TEST",  # noqa: RUF001
]  # fmt: skip
"""One mailbox."""
CHEROKEE = re.compile("[\u13a0-\u13ff\uab70-\uabbf]")
"""Whose capital letters are the older ones: UTS 46 maps to them, lower() from them."""


@pytest.fixture
def canonical(db: psycopg.Connection) -> Any:
    def ask(address: str) -> str:
        row = db.execute("select lower(public.canonical_address(%s))", (address,)).fetchone()
        assert row is not None
        return str(row[0])

    return ask


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spelt=spellings())
def test_sql_and_python_have_the_same_form(canonical: Any, spelt: tuple[str, str]) -> None:
    assert canonical(spelt[1]) == mailbox_key(spelt[0])


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(label=st.text(st.characters(codec="utf-8", categories=["L", "N", "M"]), max_size=20))
def test_a_domain_of_any_script_is_the_same_in_both(canonical: Any, label: str) -> None:
    """Whatever DNS could have."""
    address = f"x@{label}.example"
    if is_valid(normalise(address)) and not CHEROKEE.search(label):
        assert canonical(address) == mailbox_key(address)


def test_a_mailbox_is_mailed_once_however_its_leads_spell_it(build: Any) -> None:
    """By workers of earlier releases too, which give the address as the lead's row has it."""
    campaign = build.campaign(build.account(), leads=BOOKS)
    run = build.begin(campaign)

    answers = [build.attempt(claim, run) for claim in build.claim(campaign, run)["claims"]]

    assert [one["answer"] for one in answers] == ["go", *["failed"] * (len(BOOKS) - 1)]
    assert build.db.execute("select lower(address) from send_attempts").fetchall() == [
        ("x@xn--bcher-kva.test",)
    ]


def test_a_deferred_lead_is_noted_under_the_same_address(build: Any) -> None:
    campaign = build.campaign(build.account(), leads=[BOOKS[0]])
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]

    build.sql.defer_lead(
        attempt=uuid4(), lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
        mail_address=claim["lead"]["email"], why="later",
    )  # fmt: skip

    assert build.db.execute("select address from send_attempts").fetchall() == [
        ("x@xn--bcher-kva.test",)
    ]


def test_a_mail_of_the_sender_before_us_counts_as_its_lead_is_spelt(build: Any) -> None:
    """The log does not know it; the new lead is spelt as the old one, or in the one form."""
    account = build.account()
    for first, second in (BOOKS[:2], BOOKS[1::-1], (BOOKS[0], "X@BÜCHER.test")):
        campaign = build.campaign(account, leads=[second])
        build.in_campaign(campaign, build.lead(first), account, status="sent", sent_at="2026-01-01")
        run = build.begin(campaign)
        claim = build.claim(campaign, run)["claims"][0]
        given = {**claim, "lead": {"email": normalise(claim["lead"]["email"])}}
        seen = first == normalise(first) or first.lower() == second.lower()
        assert build.attempt(given, run)["answer"] == ("failed" if seen else "go")


def test_a_campaign_takes_a_mailbox_once(build: Any) -> None:
    """The others are told as left out."""
    build.account("ann@bücher.test")
    for address in (*BOOKS, "y@bücher.test"):
        build.lead(address, tag="x")

    made = build.sql.create_campaign(
        campaign=uuid4(),
        campaign_name="c",
        account_addresses=["ann@xn--bcher-kva.test"],
        lead_tag="x",
    )

    assert (made["answer"], made["leads"], len(made["skipped"])) == ("created", 2, len(BOOKS) - 1)


def test_an_import_finds_the_lead_that_the_web_app_spells_in_another_way(build: Any) -> None:
    """It is updated; and what an import itself writes is in the one form."""
    old = build.lead("x@bücher.test", name="Old")
    rows = [{"email": address, "name": "New"} for address in (*BOOKS[1:], "y@Bücher.test")]

    done = build.sql.import_leads(rows=rows)

    assert (done["updated"], done["added"]) == (1, 1)
    assert build.fields("leads", old, "email", "name") == ("x@bücher.test", "New")
    assert build.db.execute("select email from leads order by email").fetchall() == [
        ("x@bücher.test",),
        ("y@xn--bcher-kva.test",),
    ]


def test_check_tells_a_mailbox_that_was_mailed_under_another_spelling(build: Any) -> None:
    """In this campaign, and by another one within the cooldown."""
    account = build.account()
    campaign = build.campaign(account, leads=["x@bücher.test"])
    build.mail(campaign, build.begin(campaign))
    build.in_campaign(campaign, build.lead("x@bu\u0308cher.test"), account)
    other = build.campaign(account, leads=["X@xn--bcher-kva.test"])

    here = build.sql.rows("list_mails", campaign=campaign)
    there = build.sql.rows("list_mails", campaign=other, cooldown_seconds=10.0**9)

    assert [row["mailed_here"] for row in here] == [True]
    assert [row["mailed_seconds_ago"] is not None for row in there] == [True]


def test_a_lead_and_an_account_are_named_in_any_spelling(build: Any) -> None:
    account = build.account("ann@bücher.test")
    campaign = build.campaign(account, leads=["x@bücher.test"])

    found = build.sql.rows("list_mails", campaign=campaign, address="x@xn--bcher-kva.test")
    saved = build.sql.save_account(account=uuid4(), address="ANN@xn--bcher-kva.test")

    assert (len(found), saved["id"]) == (1, str(account))


ONE_ADDRESS = next(one for one in migrations() if one.name == "one_address").text


def test_what_earlier_releases_logged_is_put_into_the_one_form(build: Any) -> None:
    """All but the second mail that a mailbox got: one row in that form keeps it from a third."""
    account, campaigns = build.account(), [uuid4(), uuid4()]
    for number, address in enumerate([*BOOKS, "z@acme.test", "  "]):
        for campaign in campaigns:
            build.insert(
                "send_attempts", campaign_id=campaign, campaign_lead_id=uuid4(), account_id=account,
                run_id=uuid4(), address=address, started_at=f"2026-01-01 00:00:{number:02}", search_token="o",
                finished_at="2026-01-02", outcome="sent",
            )  # fmt: skip

    build.db.execute(ONE_ADDRESS)
    once = build.everything()
    build.db.execute(ONE_ADDRESS)

    logged = build.db.execute(
        "select address, count(*) from send_attempts where campaign_id = %s group by 1",
        (campaigns[0],),
    ).fetchall()  # fmt: skip
    assert build.everything() == once
    assert dict(logged)["x@xn--bcher-kva.test"] == 1
    assert sum(count for _, count in logged) == len(BOOKS) + 2
    assert dict(logged)["z@acme.test"] == 1

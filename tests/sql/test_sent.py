"""What was sent: the version of the template, the subject, the placeholders; the life of a lead."""

from typing import Any
from uuid import UUID

import pytest

VERSION = "a" * 64
CONTENT = {
    "template": VERSION,
    "own": False,
    "subject": "Hello Jo",
    "filled": ["name"],
    "fingerprint": "0123456789abcdef",
    "text": {"subject": "Hello {{ name }}", "body": "Hi {{ name }}", "footer": None},
}
NOTED = {name: value for name, value in CONTENT.items() if name != "text"}


@pytest.fixture
def campaign(build: Any) -> UUID:
    made: UUID = build.campaign(build.account(), leads=["jo@acme.test", "mia@acme.test"])
    return made


def contents(build: Any) -> list[Any]:
    return [
        row
        for (row,) in build.db.execute(
            "select jsonb_build_array(template, own_text, subject, placeholders)"
            " from send_attempts order by started_at"
        )
    ]


def test_an_attempt_keeps_what_its_mail_was_made_from(build: Any, campaign: UUID) -> None:
    """The text of a version comes once, whoever notes it."""
    run = build.begin(campaign)
    build.open(campaign, run, content=CONTENT)
    build.open(campaign, run, at=1, content=NOTED)
    texts = build.db.execute("select hash, subject, body, footer from template_versions").fetchall()
    assert contents(build) == [[VERSION, False, "Hello Jo", ["name"]]] * 2
    assert texts == [(VERSION, "Hello {{ name }}", "Hi {{ name }}", None)]


def test_the_content_of_a_draft_goes_with_it(build: Any, campaign: UUID) -> None:
    """A later attempt sends the same mail, and its worker has not made it."""
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run, draft="d1", token="o7", content=CONTENT)
    build.record(attempt, "not_sent", again_after=60, why="later")
    claims = build.claim(campaign, run, at=100)["claims"]
    again = next(claim for claim in claims if claim["draft"])
    assert again["draft"]["fingerprint"] == CONTENT["fingerprint"]
    build.attempt(again, run, at=100, draft="d1", token="o7")
    assert contents(build) == [[VERSION, False, "Hello Jo", ["name"]]] * 2
    fingerprints = build.db.execute("select fingerprint from send_attempts").fetchall()
    assert fingerprints == [(CONTENT["fingerprint"],)] * 2


def test_a_worker_of_the_release_before_notes_nothing(build: Any, campaign: UUID) -> None:
    build.open(campaign, build.begin(campaign))
    assert contents(build) == [[None, None, None, None]]


def test_a_subject_is_kept_within_bounds(build: Any, campaign: UUID) -> None:
    build.open(campaign, build.begin(campaign), content={**NOTED, "subject": "x" * 5000})
    assert len(contents(build)[0][2]) == 1001


def test_a_text_is_found_by_the_beginning_of_its_hash(build: Any, campaign: UUID) -> None:
    build.open(campaign, build.begin(campaign), content=CONTENT)
    found = [build.sql.template_text(template=given) for given in (VERSION, "aaaaaaaa", "aaaa")]
    assert [text and text["body"] for text in found] == ["Hi {{ name }}"] * 2 + [None]


def test_a_claim_says_whether_the_text_is_the_leads_own(build: Any) -> None:
    account, company = build.account(), build.company()
    campaign = build.campaign(account)
    for own in (None, "", "My own"):
        build.in_campaign(campaign, build.lead(company_id=company, email_template=own), account)
    claims = build.claim(campaign, build.begin(campaign))["claims"]
    assert sorted(claim["own_text"] for claim in claims) == [False, False, True]


def test_all_that_happened_to_a_person_is_told_over_all_campaigns(build: Any, store: Any) -> None:
    """However the address is spelled; of another address nothing."""
    account = build.account()
    first, second = (build.campaign(account, leads=["Jo@Acme.test"]) for _ in range(2))
    run = build.begin(first)
    attempt, lead = build.open(first, run, content=CONTENT)
    build.record(attempt, "sent", at=1, message="m1", thread="t1")
    event = {"at": "2026-11-24 10:00Z", "class": "person", "rule": "x"}
    build.insert("mail_events", campaign_lead_id=lead, **event)
    other = build.begin(second)
    refused, _ = build.open(second, other, at=60)
    build.record(refused, "refused", at=61, why="no such user")
    received = build.insert(
        "inbound", account_id=account, gmail_id="g1", kind="bounce", received_at="2026-11-24 11:00Z"
    )
    build.db.execute(
        "insert into inbound_mails (inbound_id, attempt_id, campaign_id, campaign_lead_id, verdict,"
        " status) values (%s, %s, %s, %s, 'soft', '4.2.2')",
        (received, attempt, first, lead),
    )
    build.sql.suppress(entries=[{"key": "acme.test", "cause": "hold"}], origin="command")
    found, unknown = store.lead_history(" jo@ACME.test "), store.lead_history("mia@acme.test")
    assert [(x.campaign_id, x.status) for x in sorted(found.campaigns, key=lambda x: x.status)] == [
        (second, "failed"),
        (first, "sent"),
    ]
    assert sorted(((e.kind, e.outcome) for e in found.events), key=str) == [
        ("bounce", "soft"),
        ("failed", None),
        ("mail", "refused"),
        ("mail", "sent"),
        ("open", "person"),
        ("suppressed", "hold"),
    ]
    mail = next(e for e in found.events if e.outcome == "sent")
    assert (mail.subject, mail.template, mail.placeholders) == ("Hello Jo", VERSION, ["name"])
    assert (mail.account, mail.campaign) == ("ann@us.test", "Spring")
    assert [s.key for s in found.suppressions] == ["acme.test"]
    assert (unknown.campaigns, unknown.known) == ([], True)  # its domain is suppressed


def test_a_life_is_told_when_its_row_is_gone(build: Any, store: Any, campaign: UUID) -> None:
    """The log outlives it."""
    build.mail(campaign, build.begin(campaign))
    build.db.execute("delete from campaigns")
    build.db.execute("delete from leads")
    found = [store.lead_history(f"{name}@acme.test") for name in ("jo", "mia", "noa")]
    assert sorted(len(x.events) for x in found) == [0, 0, 1]
    assert not found[2].known


def test_very_many_events_are_cut(build: Any) -> None:
    lead = build.lead("jo@acme.test")
    account = build.account()
    made = build.in_campaign(build.campaign(account), lead, account)
    build.db.execute(
        "insert into mail_events (campaign_lead_id, at, class, rule)"
        " select %s, now(), 'person', 'x' from generate_series(1, 1500)",
        (made,),
    )
    assert len(build.sql.rows("lead_events", address="jo@acme.test")) == 1000

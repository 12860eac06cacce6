"""Erasing a person: every table forgets the address, and nobody mails it any more."""

from typing import Any
from uuid import UUID

import pytest

DAY = 86_400.0
BOB = "Bob@Acme.test"
SECRETS = ("bob@acme.test", "bobby", "rocket scientist", "blue eyes")


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def bob(build: Any) -> UUID:
    made: UUID = build.lead(
        BOB,
        name="Bobby",
        role="Rocket scientist",
        tag="spring",
        custom_fields={"note": "blue eyes"},
    )
    return made


def mail(
    build: Any, account: UUID, lead: UUID, *, at: float = 0, became: str | None = "sent"
) -> UUID:
    """A campaign of this lead alone, which is begun, and sent if it became so."""
    campaign: UUID = build.campaign(account)
    build.in_campaign(campaign, lead, account)
    run = build.begin(campaign, at=at)
    attempt, _ = build.open(campaign, run, at=at)
    if became:
        build.record(attempt, became, at=at)
    return campaign


def erase(call: Any, address: str = "BOB@acme.test", **more: Any) -> Any:
    return call.erase_person(**{"address": address, "by_name": "Ann", **more})


def holds(build: Any) -> list[str]:
    """What of the person any table holds, in whatever column."""
    everything = build.everything().lower()
    return [secret for secret in SECRETS if secret in everything]


def test_no_table_holds_the_person_afterwards(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    """Neither what was sent, nor what is pending, opted out, away, or noted."""
    mail(build, account, bob)
    build.in_campaign(build.campaign(account), bob, account)
    call.suppress(entries=[{"key": BOB, "cause": "opt_out"}], origin="mail", by_name="Ann")
    build.db.execute("insert into absences (key, until) values ('bob@acme.test', now())")
    assert set(holds(build)) == set(SECRETS)
    assert erase(call) == {"answer": "erased", "leads": 1, "mails": 1}
    assert holds(build) == []
    assert erase(call) == {"answer": "erased", "leads": 0, "mails": 0}


def test_counts_stay_and_what_is_pending_is_cancelled(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    sent, pending = mail(build, account, bob), build.campaign(account)
    build.in_campaign(pending, bob, account)
    erase(call)
    assert build.lead_states(sent) == {"sent": 1}
    [row] = call.rows("list_campaign_leads", campaign=pending)
    assert (row["status"], row["error"][:13]) == ("cancelled", "was erased on")
    assert row["email"].startswith("erased-")


def test_the_person_is_mailed_by_nobody_and_imported_no_more(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    erase(call)
    rows = [{"email": "bob@acme.test"}, {"email": "eve@acme.test"}]
    imported = call.import_leads(rows=rows, list_tag="again")
    assert (imported["added"], imported["erased"]) == (1, 1)
    campaign = build.campaign(account)
    build.in_campaign(campaign, build.lead("bob@acme.test"), account)  # as the web app may write
    run = build.begin(campaign)
    assert build.claim(campaign, run)["answer"] == "done"
    assert build.lead_states(campaign) == {"cancelled": 1}
    assert bob


def test_an_opt_out_keeps_its_date(build: Any, call: Any, bob: UUID) -> None:
    owner = UUID(int=7)
    call.suppress(entries=[{"key": BOB, "cause": "opt_out"}], origin="mail", owner=owner)
    before = build.db.execute("select created_at from suppressions").fetchone()
    erase(call)
    kept = build.db.execute(
        "select created_at, user_id from suppressions where cause = 'opt_out'"
    ).fetchone()
    assert kept == (*before, owner)
    assert bob


def test_a_mail_on_its_way_is_waited_for(build: Any, call: Any, account: UUID, bob: UUID) -> None:
    campaign = mail(build, account, bob, became=None)
    assert erase(call)["answer"] == "later"
    assert call.sweep_erasures()["persons"] == 0
    assert build.row("leads", bob)["email"] == BOB
    [attempt] = build.db.execute("select id from send_attempts").fetchone()
    build.record(attempt, "sent")
    assert call.sweep_erasures()["persons"] == 1
    assert holds(build) == []
    assert build.lead_states(campaign) == {"sent": 1}


def test_a_mail_that_was_refused_forgets_its_address_too(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    """Also when the lead is gone."""
    mail(build, account, bob, became="refused")
    build.db.execute("delete from campaign_leads")
    build.db.execute("delete from leads")
    erase(call)
    assert holds(build) == []


def test_it_is_done_in_the_name_of_a_person_and_of_an_address(build: Any, call: Any) -> None:
    assert erase(call, by_name=" ")["answer"] == "rejected"
    assert erase(call, address="acme.test")["answer"] == "rejected"
    erase(call)
    rows = build.db.execute("select act, by_name from audit where act = 'erased'").fetchall()
    assert rows == [("erased", "Ann")]


def test_after_the_retention_who_is_not_mailed_any_more_is_forgotten(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    """Who was mailed since, or is to be mailed, is kept; who comes anew may be mailed."""
    eve, kim = build.lead("eve@acme.test"), build.lead("kim@acme.test")
    for lead in (bob, eve, kim):
        mail(build, account, lead)
    mail(build, account, eve, at=40 * DAY)
    build.in_campaign(build.campaign(account), kim, account)
    assert call.sweep_retention(days=60.0, at=59 * DAY)["persons"] == 0
    assert call.sweep_retention(days=60.0, at=61 * DAY)["persons"] == 1
    assert call.sweep_retention(days=60.0, at=61 * DAY)["persons"] == 0
    assert holds(build) == []
    assert build.row("leads", eve)["email"] == "eve@acme.test"
    imported = call.import_leads(rows=[{"email": BOB}])
    assert (imported["added"], imported["erased"]) == (1, 0)


def test_what_was_sent_to_an_erased_person_is_forgotten(
    build: Any, call: Any, account: UUID, bob: UUID
) -> None:
    """The subject as sent, and a text that was theirs alone; a company's version stays."""
    other = build.lead("ann@acme.test")
    for lead, version, own in ((bob, "a", True), (other, "b", False)):
        campaign: UUID = build.campaign(account)
        build.in_campaign(campaign, lead, account)
        run = build.begin(campaign)
        content = {
            "template": version * 64, "own": own, "subject": f"Hello {version}", "filled": ["name"],
            "text": {"subject": "Hello", "body": "Dear Bobby"},
        }  # fmt: skip
        attempt, _ = build.open(campaign, run, content=content)
        build.record(attempt, "sent")
    erase(call)
    subjects = build.db.execute("select subject from send_attempts order by subject").fetchall()
    versions = build.db.execute("select hash from template_versions").fetchall()
    assert (subjects, versions) == ([("Hello b",), (None,)], [("b" * 64,)])
    assert build.sql.recount_mails()["changed"] == 0


def test_who_was_erased_stays_unnamed_whoever_suppresses_the_address(build: Any, call: Any) -> None:
    """As one who answers the last mail with an opt-out."""
    erase(call)
    for _ in range(2):
        call.suppress(
            entries=[
                {"key": BOB, "cause": "opt_out"},
                {"key": "eve@acme.test", "cause": "opt_out"},
            ],
            origin="mail",
        )
    assert not [key for key in keys(build) if "bob" in key]
    assert keys(build, "opt_out") == sorted(
        ["eve@acme.test", *(key for key in keys(build, "erased"))]
    )


def keys(build: Any, cause: str = "%") -> list[str]:
    rows = build.db.execute(
        "select key from suppressions where cause like %s order by key", (cause,)
    ).fetchall()
    return [key for (key,) in rows]

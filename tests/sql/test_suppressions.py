"""Suppressions: their keys, who may write them, what an unsubscribe link does."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest


def suppressed(build: Any) -> list[tuple[Any, ...]]:
    rows = build.db.execute("select key, user_id, cause from suppressions order by 1, 2").fetchall()
    return list(rows)


def acts(build: Any) -> list[tuple[Any, ...]]:
    return list(build.db.execute("select act, subject, by_name from audit order by at, id"))


# --- keys ---------------------------------------------------------------------------------


def test_the_keyed_hash_is_the_standard_hmac(build: Any) -> None:
    """With the 32 bytes of the one row."""
    key = build.db.execute("select key from address_hash_key").fetchone()[0]
    told = build.db.execute("select keyed_hash('mia@acme.test')").fetchone()[0]
    assert told == hmac.new(key, b"mia@acme.test", hashlib.sha256).hexdigest()


def test_an_address_is_suppressed_by_itself_and_the_domains_above_it(build: Any) -> None:
    """Not by a bare top-level domain."""
    keys = build.db.execute("select suppression_keys('mia@mail.acme.test')").fetchone()[0]
    assert keys == ["mia@mail.acme.test", "mail.acme.test", "acme.test"]


# --- rows of anybody ------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["Mia@acme.test", "mia@straße.test", "Acme.test", "straße.test"])
def test_a_row_in_another_form_than_the_logs_is_refused(build: Any, key: str) -> None:
    """It would hold for nothing."""
    with pytest.raises(psycopg.errors.CheckViolation, match="is not in the form of the log"):
        build.insert("suppressions", key=key)


@pytest.mark.parametrize("key", ["*", "acme", "mia", "mia @acme.test", "a@b@c.test", ""])
def test_a_row_that_names_no_mailbox_and_no_domain_is_refused(build: Any, key: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        build.insert("suppressions", key=key)


def test_a_row_of_a_web_app_is_dated_by_the_table(build: Any) -> None:
    """Whatever it says itself: mails that were begun a moment ago are before it."""
    made = build.insert("suppressions", key="mia@acme.test", created_at="2020-01-01")
    assert build.row("suppressions", made)["created_at"] > "2026"


def test_a_row_that_holds_longer_holds_since_now(build: Any) -> None:
    """It may have lapsed, and mails have left since."""
    made = build.insert("suppressions", key="mia@acme.test", until="2020-01-01")
    before = build.row("suppressions", made)["created_at"]
    build.db.execute("update suppressions set reason = 'x' where id = %s", (made,))
    unchanged = build.row("suppressions", made)["created_at"]
    build.db.execute("update suppressions set until = null where id = %s", (made,))
    after = build.row("suppressions", made)["created_at"]
    assert (unchanged == before, after > before) == (True, True)


def test_no_statement_writes_more_than_a_thousand(build: Any) -> None:
    """The server's lock table is finite."""
    many = "insert into suppressions (key) select n || '@x.test' from generate_series(1, {}) n"
    build.db.execute(many.format(1000))
    build.db.execute("delete from suppressions where true")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="At most 1,000"):
        build.db.execute(many.format(1001))


def test_the_audit_has_every_act(build: Any) -> None:
    """Of a web app's rows too."""
    made = build.insert("suppressions", key="mia@acme.test")
    build.db.execute("update suppressions set reason = 'x' where id = %s", (made,))
    build.db.execute("delete from suppressions where id = %s", (made,))
    assert acts(build) == [
        (act, "mia@acme.test", None) for act in ("suppressed", "changed", "lifted")
    ]


# --- unsubscribing ----------------------------------------------------------------------------


def mailed(build: Any, address: str = "Mia@acme.test", **campaign: Any) -> UUID:
    """A campaign that mailed this address; its token is o1."""
    made: UUID = build.campaign(build.account(), leads=[address], **campaign)
    build.mail(made, build.begin(made))
    return made


def test_a_token_suppresses_its_recipient_for_the_owner_of_its_campaign(build: Any) -> None:
    """Twice is once, and the date is the first."""
    owner = uuid4()
    campaign = mailed(build, user_id=owner)
    first = build.sql.unsubscribe(token="o1")
    dated = build.db.execute("select created_at from suppressions").fetchall()
    again = build.sql.unsubscribe(token="o1", origin="mail")
    assert (first, again) == (
        {"answer": "done", "campaign": str(campaign)},
        {"answer": "already", "campaign": str(campaign)},
    )
    assert suppressed(build) == [("mia@acme.test", owner, "opt_out")]
    assert build.db.execute("select created_at from suppressions").fetchall() == dated


def test_without_an_owner_nobody_mails_them(build: Any) -> None:
    mailed(build)
    build.sql.unsubscribe(token="o1")
    assert suppressed(build) == [("mia@acme.test", None, "opt_out")]


def test_a_token_outlives_its_lead_and_its_campaign(build: Any) -> None:
    """The web app deletes both; the account still tells the owner."""
    owner = uuid4()
    campaign = build.campaign(build.account(user_id=owner), leads=["mia@acme.test"], user_id=owner)
    build.mail(campaign, build.begin(campaign))
    build.db.execute("delete from campaigns where true")
    build.db.execute("delete from leads where true")
    answer = build.sql.unsubscribe(token="o1")
    assert (answer["answer"], suppressed(build)) == (
        "done",
        [("mia@acme.test", owner, "opt_out")],
    )


def test_an_opt_out_ends_an_end(build: Any) -> None:
    """One that was listed for some time holds for ever once they said so themselves."""
    mailed(build)
    build.insert("suppressions", key="mia@acme.test", cause="opt_out", until="2020-01-01")
    answer = build.sql.unsubscribe(token="o1")
    assert (answer["answer"], build.db.execute("select until from suppressions").fetchone()) == (
        "done",
        (None,),
    )


@pytest.mark.parametrize("token", ["", "o2", "o" * 201])
def test_a_token_of_no_mail_changes_nothing(build: Any, token: str) -> None:
    mailed(build)
    before = build.everything()
    answer = build.sql.unsubscribe(token=token)
    assert (answer, build.everything()) == ({"answer": "unknown"}, before)


# --- the beginning of a mail ----------------------------------------------------------------------


def begun(build: Any, key: str, address: str = "Mia@Mail.acme.test", **suppression: Any) -> Any:
    """What begin_attempt answers for a lead, claimed before its address was suppressed."""
    campaign = build.campaign(build.account(), leads=[address])
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    build.insert("suppressions", key=key, **suppression)
    answer = build.attempt(claim, run, knows_cancelled=True)
    return answer, build.fields("campaign_leads", UUID(claim["id"]), "status", "error")


@pytest.mark.parametrize("key", ["mia@mail.acme.test", "mail.acme.test", "acme.test"])
def test_a_suppressed_lead_is_cancelled_with_the_reason(build: Any, key: str) -> None:
    """It is no failure."""
    answer, row = begun(build, key, cause="opt_out")
    told = f"opted out on {today()}" + ("" if "@" in key else f", as all of {key}")
    assert (answer, row) == ({"answer": "cancelled", "reason": told}, ("cancelled", told))
    assert build.db.execute("select count(*) from lead_failures").fetchone() == (0,)


def test_an_erased_person_is_not_mailed_though_nothing_names_them(build: Any) -> None:
    key = build.db.execute("select keyed_hash('mia@mail.acme.test')").fetchone()[0]
    answer, _ = begun(build, f"erased:{key}", cause="erased")
    assert answer == {"answer": "cancelled", "reason": f"was erased on {today()}"}


def test_one_key_stands_for_every_spelling(build: Any) -> None:
    """As the send log has it."""
    answer, _ = begun(build, "mia@xn--strae-oqa.test", address=" Mia@Straße.test")
    assert answer["answer"] == "cancelled"


@pytest.mark.parametrize("key", ["noa@mail.acme.test", "a.mail.acme.test", "cme.test"])
def test_another_key_stops_nothing(build: Any, key: str) -> None:
    answer, _ = begun(build, key)
    assert answer["answer"] == "go"


def test_a_suppression_that_has_ended_stops_nothing(build: Any) -> None:
    answer, _ = begun(build, "acme.test", until="2026-11-20")
    assert answer["answer"] == "go"


def test_of_several_causes_the_persons_own_is_told(build: Any) -> None:
    """And of one that is listed who listed it, and until when."""
    build.insert("suppressions", key="acme.test", reason="a competitor", until="2099-01-01")
    build.insert("suppressions", key="mia@acme.test", cause="opt_out")
    campaign = build.campaign(build.account(), leads=["mia@acme.test", "noa@acme.test"])
    assert build.claim(campaign, build.begin(campaign))["answer"] == "done"
    assert reasons(build) == [
        f"opted out on {today()}",
        f"suppressed on {today()}, as all of acme.test, until 2099-01-01: a competitor",
    ]


OWNERS = [(7, 7, True), (7, 8, False), (None, 7, True), (7, None, True), (None, None, True)]


@pytest.mark.parametrize(("owner", "user", "stops"), OWNERS)
def test_an_owners_suppression_stops_their_own_campaigns(
    build: Any, owner: int | None, user: int | None, stops: bool
) -> None:
    """Everybody's stops each, and a campaign of nobody keeps to all."""
    whose, user_id = (None if n is None else UUID(int=n) for n in (owner, user))
    campaign = build.campaign(build.account(), leads=["mia@acme.test"], user_id=user_id)
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    build.insert("suppressions", key="mia@acme.test", user_id=whose)
    assert (build.attempt(claim, run, knows_cancelled=True)["answer"] == "cancelled") is stops


def test_asked_again_it_answers_the_same(build: Any) -> None:
    """The answer may have been lost."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run, attempt = build.begin(campaign), uuid4()
    claim = build.claim(campaign, run)["claims"][0]
    build.insert("suppressions", key="mia@acme.test")
    answers = [
        build.attempt(claim, run, attempt=attempt, knows_cancelled=True)["answer"] for _ in "ab"
    ]
    assert answers == ["cancelled", "cancelled"]


def test_an_older_worker_hears_a_word_that_it_knows(build: Any) -> None:
    """It discards its draft and counts nothing."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    build.insert("suppressions", key="mia@acme.test")
    answer = build.attempt(claim, run)
    assert answer == {"answer": "not_ours", "reason": f"suppressed on {today()}"}


def test_a_mail_that_had_its_go_may_leave_and_the_next_one_does_not(build: Any) -> None:
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    attempt, lead = build.open(campaign, build.begin(campaign))
    build.insert("suppressions", key="mia@acme.test", cause="opt_out")
    build.sql.sweep_suppressed()
    build.record(attempt, "sent")
    sent = build.fields("campaign_leads", lead, "status", "error")
    second = build.campaign(build.account(), leads=["mia@acme.test"])
    assert (sent, build.claim(second, build.begin(second))["answer"]) == (("sent", None), "done")


def test_a_mail_that_did_not_leave_is_not_tried_again(build: Any) -> None:
    """Its draft, which settling has left for the next claim, may go."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run = build.begin(campaign)
    attempt, lead = build.open(campaign, run, draft="d1")
    build.insert("suppressions", key="mia@acme.test", cause="opt_out")
    build.record(attempt, "not_sent", again_after=0.0)
    kept = build.sql.rows("drafts_in_use", drafts=["d1"])
    claim = build.claim(campaign, run, at=1)
    row = build.fields("campaign_leads", lead, "status", "error")
    assert (kept, claim["answer"], row) == (
        [{"draft": "d1"}],
        "done",
        ("cancelled", f"opted out on {today()}"),
    )
    assert build.sql.rows("drafts_in_use", drafts=["d1"]) == []


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def reasons(build: Any) -> list[str]:
    """Of all cancelled leads."""
    rows = build.db.execute(
        "select error from campaign_leads where status = 'cancelled' order by 1"
    )
    return [reason for (reason,) in rows]

"""Suppressions: their keys, who may write them, what an unsubscribe link does."""

import hashlib
import hmac
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from outreach.mail.addresses import mailbox_key


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


def test_an_address_is_suppressed_by_itself_its_hash_and_the_domains_above_it(build: Any) -> None:
    """Not by a bare top-level domain."""
    keys = build.db.execute("select suppression_keys('Mia@Mail.Acme.test')").fetchone()[0]
    hashed = build.db.execute("select keyed_hash('mia@mail.acme.test')").fetchone()[0]
    assert keys == [hashed, "mia@mail.acme.test", "mail.acme.test", "acme.test"]


@pytest.mark.parametrize("spelling", ["Mia@straße.test", "mia@XN--STRAE-OQA.test"])
def test_one_key_stands_for_every_spelling(build: Any, spelling: str) -> None:
    """As the send log has it."""
    keys = build.db.execute("select suppression_keys(%s)", (spelling,)).fetchone()[0]
    assert keys[1] == mailbox_key(spelling) == "mia@xn--strae-oqa.test"


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

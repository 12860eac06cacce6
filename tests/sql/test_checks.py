"""What was mailed before, by whom, and when: in any campaign, by us or by the sender before us."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

DAY = 86400.0


def mails(build: Any, campaign: UUID, **asked: Any) -> dict[str, dict[str, Any]]:
    rows = build.sql.rows("list_mails", campaign=campaign, at=0, **asked)
    return {row["lead"]["email"]: row for row in rows}


@pytest.fixture
def campaign(build: Any) -> UUID:
    made: UUID = build.campaign(build.account(), leads=["Bob@acme.test", "eve@acme.test"])
    return made


@pytest.mark.parametrize("outcome", ["sent", "unclear", None])
def test_the_cooldown_counts_what_left_or_may_have(
    build: Any, campaign: UUID, outcome: str | None
) -> None:
    """The last mail counts, whatever the case of its address; not sent is not mailed."""
    account = build.account("ben@us.test")
    build.past_mails(account, 3 * DAY, 2 * DAY, outcome=outcome)
    build.past_mails(account, DAY, outcome="not_sent")
    build.db.execute("update send_attempts set address = 'BOB@acme.test'")

    ago = {
        email: row["mailed_seconds_ago"]
        for email, row in mails(build, campaign, cooldown_seconds=7 * DAY).items()
    }

    assert ago == {"Bob@acme.test": 2 * DAY, "eve@acme.test": None}
    for seconds in (DAY, 0.0):
        row = mails(build, campaign, cooldown_seconds=seconds)["Bob@acme.test"]
        assert row["mailed_seconds_ago"] is None


def test_the_cooldown_counts_mails_of_the_sender_before_us(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """Its rows say so, and no log."""
    account = build.account("ben@us.test")
    build.in_campaign(
        build.campaign(account), build.lead("bob@ACME.test"), account,
        status="sent", sent_at=t0 - timedelta(days=2),
    )  # fmt: skip
    found = mails(build, campaign, cooldown_seconds=7 * DAY)
    assert found["Bob@acme.test"]["mailed_seconds_ago"] == 2 * DAY
    assert not found["Bob@acme.test"]["mailed_here"]


def test_an_address_that_this_campaign_has_mailed_is_told(build: Any, campaign: UUID) -> None:
    """As another lead; the lead's own mail is its own affair."""
    run = build.begin(campaign)
    sent = build.mail(campaign, run)
    address = build.db.execute(
        "select l.email from campaign_leads cl join leads l on l.id = cl.lead_id where cl.id = %s",
        (sent,),
    ).fetchone()[0]
    account = build.account("ben@us.test")
    build.in_campaign(campaign, build.lead(address.upper()), account)

    here = {email: row["mailed_here"] for email, row in mails(build, campaign, every=True).items()}

    assert {email for email, known in here.items() if known} == {address.upper()}


def test_a_lead_whose_rows_are_gone_is_listed_with_what_is_missing(
    build: Any, campaign: UUID
) -> None:
    """It never hides; nor does a lead without an account."""
    gone = build.in_campaign(campaign, None, None)
    rows = {row["id"]: row for row in build.sql.rows("list_mails", campaign=campaign)}
    assert len(rows) == 3
    lost = rows[str(gone)]
    assert (lost["missing"], lost["sender"], lost["lead"]["email"]) == ("lead", None, "")
    assert build.sql.campaign_facts(campaign=campaign)["misassigned"] == 1


def test_a_page_of_addresses_is_looked_up_by_index_alone(build: Any, campaign: UUID) -> None:
    """In a log and among leads of many thousands."""
    account = build.account("ben@us.test")
    build.db.execute(
        "with l as (insert into leads (email) select n || '@x.test' from generate_series(1, 20000) n returning id)"
        " insert into campaign_leads (campaign_id, lead_id, assigned_account_id, status, sent_at)"
        " select %s, id, %s, 'sent', now() from l",
        (build.campaign(account), account),
    )
    build.db.execute(
        "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id, address,"
        " started_at, search_token, finished_at, outcome) select gen_random_uuid(), %s, id, %s, %s,"
        " id::text, now(), 'o', now(), 'sent' from campaign_leads",
        (uuid4(), account, uuid4()),
    )
    build.db.execute("analyze")

    def read_in_order() -> Any:
        build.db.execute("select pg_stat_force_next_flush()")
        return build.db.execute(
            "select sum(seq_tup_read)::int from pg_stat_user_tables"
            " where relname in ('campaign_leads', 'leads', 'send_attempts')"
        ).fetchone()

    before = read_in_order()
    mails(build, campaign, cooldown_seconds=30 * DAY)
    assert read_in_order() == before

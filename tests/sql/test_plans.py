"""What the functions read: no more for a large campaign, or a busy day, than for a small one."""

from typing import Any
from uuid import RFC_4122

import psycopg
import pytest


def rows_read_in_order(db: psycopg.Connection) -> Any:
    """Rows of the big tables that were read by sequential scans so far."""
    db.execute("select pg_stat_force_next_flush()")
    return db.execute(
        "select sum(seq_tup_read)::int from pg_stat_user_tables"
        " where relname in ('campaign_leads', 'leads')"
    ).fetchone()


def test_a_mail_of_a_new_campaign_reads_no_more_when_thousands_were_sent(build: Any) -> None:
    """Before anybody has counted its rows: the planner guesses, and must not guess wrong."""
    account = build.account()
    campaign = build.campaign(account, leads=10)
    run = build.begin(campaign)

    def mailed() -> int:
        before = build.rows_read()
        build.mail(campaign, run)
        return build.rows_read() - before

    early = [mailed() for _ in range(6)]  # by then each function has its plans for good
    build.db.execute(
        "with l as (insert into leads (email) select n || '@x.test' from generate_series(1, 3000) n returning id)"
        " insert into campaign_leads (campaign_id, lead_id, assigned_account_id, status, sent_at)"
        " select %s, id, %s, 'sent', now() from l",
        (campaign, account),
    )
    assert mailed() < 2 * max(early)


@pytest.mark.parametrize("pace", [0, 600])
def test_a_claim_reads_no_more_when_thousands_were_sent(build: Any, pace: float) -> None:
    """Beside a larger campaign that is all pending: what the planner knows of that one misleads it.

    What is pending comes last, as it does in a campaign that is claimed in the order of its ids.
    """
    account = build.account()
    large = build.campaign(account)
    insert = (
        "with l as (insert into leads (email) select n || '@x.test' from generate_series(1, %s) n returning id)"
        " insert into campaign_leads (campaign_id, lead_id, assigned_account_id, status, sent_at)"
        " select %s, id, %s, %s, %s from l"
    )
    build.db.execute(insert, (20000, large, account, "pending", None))
    build.db.execute("vacuum analyze campaign_leads")
    campaign = build.campaign(account, leads=20)
    build.db.execute(insert, (3000, campaign, account, "sent", "2026-11-24"))
    last = "update campaign_leads set id = ('ffff' || right(id::text, -4))::uuid where campaign_id = %s and status = 'pending'"
    build.db.execute(last, [campaign])
    run = build.begin(campaign)
    before = build.rows_read()
    for _ in range(6):
        build.claim(campaign, run, at=1, most=2, pace=pace)
    assert build.rows_read() - before < 3000


def test_a_claim_reads_no_more_when_the_account_sent_all_day(build: Any) -> None:
    """Its daily limit is counted once, by the first mail, and then counted down."""
    account = build.account(daily_limit=2000)
    build.past_mails(account, *range(1000))
    campaign = build.campaign(account, leads=20)
    run = build.begin(campaign)
    build.mail(campaign, run)
    before = build.rows_read()
    for _ in range(5):
        assert len(build.claim(campaign, run, at=1, most=2)["claims"]) == 2
    assert build.rows_read() - before < 1000


def test_one_mail_after_the_other_is_found_by_index_alone(build: Any) -> None:
    """A campaign whose rows lie behind those of a large one that is pending too."""
    account = build.account()
    large = build.campaign(account)
    build.db.execute(
        "with l as (insert into leads (email) select n || '@x.test' from generate_series(1, 30000) n returning id)"
        " insert into campaign_leads (campaign_id, lead_id, assigned_account_id) select %s, id, %s from l",
        (large, account),
    )
    build.past_mails(account, *range(300))
    campaign = build.campaign(account, leads=5)
    build.db.execute("analyze")
    before = rows_read_in_order(build.db)
    run = build.begin(campaign)
    for outcome in ("sent", "refused", "unclear", "not_sent", "not_sent"):
        build.mail(campaign, run, outcome, why="x")
    build.claim(campaign, run, at=1)
    build.claim(campaign, run, at=1, per_day=1)
    build.claim(campaign, run, at=1, pace=600)
    assert rows_read_in_order(build.db) == before


@pytest.mark.parametrize(
    ("looked_for", "index"),
    [
        ("account_id = gen_random_uuid()", "send_attempts_of_account"),
        ("lower(address) = 'ann@x.test'", "send_attempts_one_mail"),
        ("mail_domain(address) = 'x.test'", "send_attempts_to_domain"),
    ],
)
def test_mails_that_may_have_left_are_found_by_the_indexes_that_hold_only_these(
    build: Any, looked_for: str, index: str
) -> None:
    """The planner knows the condition of the function: it stands in the place of its call."""
    build.past_mails(build.account(), *range(100))
    build.db.execute("analyze send_attempts")
    query = f"explain select from send_attempts where {looked_for} and may_have_left(outcome)"
    build.db.execute("set enable_seqscan = off")
    plan = "\n".join(line for (line,) in build.db.execute(query))
    assert index in plan
    assert "may_have_left" not in plan


def test_ids_of_our_tables_are_in_the_order_of_their_making(db: psycopg.Connection) -> None:
    """UUIDs of version 7: a claim in a large table then changes few pages."""
    rows = db.execute(
        "select time_ordered_id(), extract(epoch from clock_timestamp())::float8"
        " from generate_series(1, 2000)"
    ).fetchall()
    ids = [made for made, _ in rows]
    milliseconds = [made.int >> 80 for made in ids]
    assert {(made.version, made.variant) for made in ids} == {(7, RFC_4122)}
    assert len(set(ids)) == 2000
    assert milliseconds == sorted(milliseconds)
    assert all(
        0 <= at * 1000 - made < 1000 for made, (_, at) in zip(milliseconds, rows, strict=True)
    )
    defaults = db.execute(
        "select table_name::text from information_schema.columns where table_schema = 'public'"
        " and column_name = 'id' and column_default = 'time_ordered_id()'"
    ).fetchall()
    assert {name for (name,) in defaults} == {
        "companies",
        "leads",
        "campaign_leads",
        "lead_failures",
        "suppressions",
        "audit",
        "inbound",
        "mail_events",
    }

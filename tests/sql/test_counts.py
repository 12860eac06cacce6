"""The counts of the reports: kept with each outcome, equal to a count of the log at any time."""

import random
from typing import Any
from uuid import UUID, uuid4

import pytest

CHROME = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
DAY = 86_400
COLUMNS = "sent, refused, not_sent, unclear, opened_people, opened_unclassified, opened_machines"


def counts(build: Any) -> list[Any]:
    rows: list[Any] = build.db.execute(
        f"select day::text, template, {COLUMNS} from daily_counts"  # noqa: S608
        f" where ({COLUMNS}) <> (0, 0, 0, 0, 0, 0, 0) order by 1, 2, 3, 4, 5, 6, 7, 8, 9"
    ).fetchall()
    return rows


@pytest.fixture
def campaign(build: Any) -> UUID:
    made: UUID = build.campaign(build.account(), leads=12)
    return made


@pytest.mark.parametrize("became", ["sent", "refused", "not_sent", "unclear"])
def test_each_outcome_counts_once(build: Any, campaign: UUID, became: str) -> None:
    """On the day of the attempt in UTC, whenever it is recorded; a lost answer changes nothing."""
    attempt, _ = build.open(campaign, build.begin(campaign), at=10)
    assert counts(build) == []
    for at in (DAY, 2 * DAY):
        build.record(attempt, became, at=at, why="x", again_after=60)
    expected = [int(became == word) for word in ("sent", "refused", "not_sent", "unclear")]
    assert counts(build) == [("2026-11-24", "", *expected, 0, 0, 0)]
    assert build.sql.recount_mails()["changed"] == 0


def test_a_word_that_wins_moves_the_count(build: Any, campaign: UUID) -> None:
    attempt, _ = build.open(campaign, build.begin(campaign))
    build.record(attempt, "unclear", why="x")
    build.record(attempt, "sent", at=5, message="m", thread="t")
    assert counts(build) == [("2026-11-24", "", 1, 0, 0, 0, 0, 0, 0)]


def test_the_opening_of_a_mail_that_had_not_left_goes_with_the_next_one(
    build: Any, campaign: UUID
) -> None:
    """Unclear, opened, retried by a person, sent the day after."""
    attempt, lead = build.open(campaign, build.begin(campaign))
    build.record(attempt, "unclear", why="x")
    build.sql.record_open(lead=lead, at=60, user_agent=CHROME)
    before = counts(build)
    build.sql.retry_failed(campaign=campaign, unclear_too=True)
    between = counts(build)
    run = build.begin(campaign, at=DAY)
    while (mailed := build.mail(campaign, run, at=DAY)) != lead:
        pass
    build.sql.adopt_opens()
    assert mailed == lead
    assert before == [("2026-11-24", "", 0, 0, 0, 1, 1, 0, 0)]
    assert between == [("2026-11-24", "", 0, 0, 1, 0, 0, 0, 0)]
    assert counts(build)[1][-3:] == (1, 0, 0)
    assert build.sql.recount_mails()["changed"] == 0


def test_templates_are_counted_apart_and_own_texts_together(build: Any, campaign: UUID) -> None:
    run = build.begin(campaign)
    for n, (version, own) in enumerate([("a", False), ("b", False), ("c", True), ("d", True)]):
        content = {"template": version * 64, "own": own, "subject": "s", "filled": []}
        attempt, _ = build.open(campaign, run, at=n, content=content)
        build.record(attempt, "sent", at=n, message="m", thread="t")
    assert [(row[1], row[2]) for row in counts(build)] == [("a" * 64, 1), ("b" * 64, 1), ("own", 2)]


def test_counts_agree_with_the_log_after_any_story(build: Any) -> None:
    """Outcomes, openings, late words, retries and findings of a person, by chance, over days."""
    chance = random.Random(26)  # noqa: S311 - no secret
    accounts = [build.account(f"{name}@us.test") for name in ("ann", "bob")]
    campaigns = [build.campaign(*accounts, leads=15) for _ in range(2)]
    runs = {campaign: build.begin(campaign, lease=1e9) for campaign in campaigns}
    attempts: list[UUID] = []
    for step in range(150):
        campaign, at = chance.choice(campaigns), step * 3600.0
        run = runs[campaign]
        claims = build.claim(campaign, run, at=at, most=1).get("claims", [])
        if claims:
            attempts.append(uuid4())
            content = {"template": chance.choice("ab") * 64, "own": chance.random() < 0.2}
            build.attempt(claims[0], run, at=at, attempt=attempts[-1], content=content)
        if attempts:
            became = chance.choice(["sent", "sent", "refused", "not_sent", "unclear"])
            late = {"message": uuid4().hex, "thread": "t", "why": "x", "again_after": 60}
            build.record(chance.choice(attempts[-5:]), became, at=at + 1, **late)
        leads = [x for (x,) in build.db.execute("select id from campaign_leads order by id")]
        agent = chance.choice([CHROME, "Mozilla/5.0", "curl/8", "", None])
        build.sql.record_open(lead=chance.choice(leads), at=at + 100, user_agent=agent)
        if chance.random() < 0.1:
            build.sql.retry_failed(campaign=campaign, unclear_too=chance.random() < 0.5)
        if chance.random() < 0.2:
            build.sql.resolve_lead(was_sent=chance.random() < 0.5, lead=chance.choice(leads), at=at)
        if chance.random() < 0.3:
            build.sql.adopt_opens()
        if chance.random() < 0.1:
            build.db.execute(
                "update campaign_leads set opened_at = now() where id = %s", (chance.choice(leads),)
            )
    while build.sql.adopt_opens()["leads"]:
        pass
    kept = counts(build)
    assert build.sql.recount_mails()["changed"] == 0
    assert (counts(build), len(kept) > 5) == (kept, True)
    assert all(value >= 0 for row in kept for value in row[2:])


def test_a_recount_mends_what_is_wrong(build: Any, store: Any, campaign: UUID) -> None:
    build.mail(campaign, build.begin(campaign))
    build.db.execute("update daily_counts set sent = 7")
    first, again = store.recount(), store.recount()
    assert (first.changed, again.changed, counts(build)[0][2]) == (1, 0, 1)


def test_failures_are_counted_by_reason_however_many_at_once(build: Any, campaign: UUID) -> None:
    """Of an account that is unusable; kept and recounted alike."""
    run = build.begin(campaign)
    build.mail(campaign, run, "refused", why="no such user")
    build.db.execute("update accounts set status = 'unusable', status_reason = 'revoked'")
    build.claim(campaign, run, at=60)
    query = "select reason, failures from daily_failures order by failures"
    kept = build.db.execute(query).fetchall()
    build.sql.recount_mails()
    assert [n for _, n in kept] == [1, 11]
    assert build.db.execute(query).fetchall() == kept


def test_what_was_counted_of_a_deleted_campaign_stays(build: Any, campaign: UUID) -> None:
    """Its leads, their openings and failures went with it; the log did not."""
    run = build.begin(campaign)
    lead = build.mail(campaign, run)
    build.sql.record_open(lead=lead, at=600, user_agent=CHROME)
    build.mail(campaign, run, "refused", why="no such user")
    query = "select reason, failures from daily_failures"
    kept = counts(build), build.db.execute(query).fetchall()
    build.db.execute("delete from campaigns")
    assert build.sql.recount_mails()["changed"] == 0
    assert (counts(build), build.db.execute(query).fetchall()) == kept
    assert kept[0][0][-3:] != (0, 0, 0)

"""Openings and their class: people, proxies, machines; the first that is no machine's stays."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from outreach.store import release_sql
from outreach.store.migrate import migrate
from tests.sql.test_schema import KINDS, WEB_APP

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/120.0.0.0 Safari/537.36"
)
APPLE_MAIL = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
MINUTE = 60


@pytest.fixture
def mailed(build: Any) -> UUID:
    """A lead whose mail was sent at T0."""
    campaign = build.campaign(build.account(), leads=1)
    lead: UUID = build.mail(campaign, build.begin(campaign))
    return lead


def state(build: Any, lead: UUID) -> tuple[Any, ...]:
    found: tuple[Any, ...] = build.fields("campaign_leads", lead, "opened_at", "open_class")
    return found


def opened(build: Any, lead: UUID) -> dict[str, int]:
    (campaign,) = build.fields("campaign_leads", lead, "campaign_id")
    told: dict[str, int] = build.sql.campaign_status(campaign=campaign)["opened"]
    return told


def fetch(lead: UUID, agent: str | None = CHROME, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "lead": str(lead), "user_agent": agent, **more}


# --- the rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "age", "before", "expected"),
    [
        (CHROME, 3600, 0, "person"),
        (CHROME, None, 0, "person"),
        (CHROME, 9.9, 0, "machine"),
        (CHROME, 10, 0, "person"),
        (CHROME, 3600, 1, "person"),
        (CHROME, 3600, 2, "machine"),
        (GMAIL, 3600, 0, "person"),
        (GMAIL, 2, 0, "machine"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", 60, 0, "person"),
        ("Mozilla/5.0", 3600, 0, "proxy"),
        (" Mozilla/5.0 ", 3600, 0, "proxy"),
        (APPLE_MAIL, 3600, 0, "proxy"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17)", 60, 0, "person"),
        ("Thunderbird", 60, 0, "person"),
        ("", 3600, 0, "machine"),
        ("  ", 3600, 0, "machine"),
        (None, 3600, 0, "unclassified"),
        (None, 1, 0, "machine"),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", 3600, 0, "machine"),
        ("Barracuda Sentinel (EE)", 3600, 0, "machine"),
        ("python-requests/2.26.0", 3600, 0, "machine"),
        ("HubSpot Connect", 3600, 0, "machine"),
        ("Edge/12.246 Mozilla/5.0", 3600, 0, "machine"),
        ("Something else", 3600, 0, "unclassified"),
        ("x" * 300, 3600, 0, "unclassified"),
    ],
)  # fmt: skip
def test_each_fetch_has_a_class(
    build: Any, agent: str | None, age: float | None, before: int, expected: str
) -> None:
    """By user agent, seconds since sending, and fetches of the five seconds before."""
    found = build.db.execute(
        "select class, rule from open_class(%s, %s, %s)", (agent, age, before)
    ).fetchone()
    assert found[0] == expected, found


# --- recording --------------------------------------------------------------------------------


def test_a_machine_opens_nothing_and_the_first_person_does(
    build: Any, mailed: UUID, t0: datetime
) -> None:
    """Scanner, Apple's proxy, person, scanner: each is kept, the lead counts once."""
    seen = []
    for at, agent in ((2, CHROME), (60, "Mozilla/5.0"), (120, CHROME), (180, "curl/8")):
        answer = build.sql.record_open(lead=mailed, at=at, user_agent=agent)
        seen.append((answer["answer"], answer["class"], state(build, mailed)[1]))
    at = datetime.fromisoformat(state(build, mailed)[0])
    assert seen == [
        ("unchanged", "machine", "machine"),
        ("opened", "proxy", "unclassified"),
        ("unchanged", "person", "person"),
        ("unchanged", "machine", "person"),
    ]
    assert at == t0 + timedelta(seconds=60)
    assert opened(build, mailed) == {"people": 1, "machines": 0, "unclassified": 0}


def test_an_older_endpoint_tells_no_user_agent(build: Any, mailed: UUID) -> None:
    answer = build.sql.record_open(lead=mailed, at=MINUTE)
    assert answer == {"answer": "opened", "class": "unclassified"}
    assert opened(build, mailed) == {"people": 0, "machines": 0, "unclassified": 1}


def test_a_batch_is_recorded_once_however_often_it_is_sent(build: Any, mailed: UUID) -> None:
    """Its answer may be lost; unknown leads are passed over."""
    batch = [fetch(mailed, seconds_ago=0.5), fetch(uuid4())]
    answers = [build.sql.record_opens(fetches=batch, at=MINUTE) for _ in range(2)]
    events = build.db.execute("select count(*) from mail_events").fetchone()
    assert [(a["opened"], a["classes"]) for a in answers] == [(1, ["person"]), (0, [])]
    assert (events, opened(build, mailed)["people"]) == ((1,), 1)


def test_a_burst_is_a_machines(build: Any, mailed: UUID) -> None:
    batch = [fetch(mailed, seconds_ago=ago) for ago in (3, 2, 1)]
    answer = build.sql.record_opens(fetches=batch, at=MINUTE)
    assert answer["classes"] == ["person", "person", "machine"]


def test_of_a_lead_a_hundred_fetches_are_kept(build: Any, mailed: UUID) -> None:
    """Whoever has the address of a pixel can fetch it for ever."""
    for n in range(3):
        batch = [fetch(mailed, seconds_ago=float(m)) for m in range(50)]
        build.sql.record_opens(fetches=batch, at=1000 * (n + 1))
    assert build.db.execute("select count(*) from mail_events").fetchone() == (100,)


def test_hostile_values_are_kept_out(build: Any, mailed: UUID) -> None:
    """A long user agent is cut, a time to come is now."""
    build.sql.record_opens(
        fetches=[fetch(mailed, "Mozilla/5.0 " + "x" * 10_000, seconds_ago=-1e6)], at=MINUTE
    )
    (at,) = build.db.execute("select max(extract(epoch from at)) from mail_events").fetchone()
    assert at < datetime(2026, 11, 25, tzinfo=UTC).timestamp()


# --- what is not ours ---------------------------------------------------------------------------


def test_what_the_web_app_wrote_itself_is_unclassified(build: Any, mailed: UUID) -> None:
    """At reading at once, in the counts with the next minute."""
    build.db.execute("update campaign_leads set opened_at = now() where id = %s", (mailed,))
    at_once = opened(build, mailed)
    counted = build.db.execute("select sum(opened_unclassified) from daily_counts").fetchone()
    adopted = [build.sql.adopt_opens()["leads"] for _ in range(2)]
    after = build.db.execute("select sum(opened_unclassified) from daily_counts").fetchone()
    assert (at_once, counted, adopted, after) == (
        {"people": 0, "machines": 0, "unclassified": 1}, (0,), [1, 0], (1,),
    )  # fmt: skip
    assert opened(build, mailed) == at_once


def test_an_opening_before_its_mail_is_recorded_counts_with_it(build: Any) -> None:
    """The recipient may be faster than a cut-off worker."""
    campaign = build.campaign(build.account(), leads=1)
    attempt, lead = build.open(campaign, build.begin(campaign))
    build.sql.record_open(lead=lead, at=MINUTE, user_agent=CHROME)
    build.record(attempt, "sent", at=2 * MINUTE, message="m", thread="t")
    assert opened(build, lead)["people"] == 1
    assert build.sql.recount_mails()["changed"] == 0


def test_an_opening_of_a_sender_before_us_counts_on_the_day_of_its_row(build: Any) -> None:
    account = build.account()
    campaign = build.campaign(account, status="completed")
    lead = build.in_campaign(
        campaign, build.lead(), account, status="sent", sent_at="2026-10-01 12:00Z"
    )
    build.sql.record_open(lead=lead, at=MINUTE, user_agent=CHROME)
    build.sql.recount_mails()
    counts = build.db.execute("select day::text, sent, opened_people from daily_counts").fetchall()
    assert counts == [("2026-10-01", 1, 1)]


@pytest.mark.skipif(not release_sql.is_released(), reason="the functions are not released yet")
def test_what_was_mailed_before_is_counted_by_the_migration(bare: Any, older: Any) -> None:
    """The web app's column is never changed, its pixels stay valid."""
    older.db.execute(WEB_APP.format(**KINDS["text"]))
    lead = older.insert(
        "campaign_leads", campaign_id=None, status="sent", sent_at="2026-10-01 12:00Z",
        opened_at="2026-10-02 12:00Z",
    )  # fmt: skip
    older.db.execute("insert into campaigns (name) values ('old')")
    older.db.execute("update campaign_leads set campaign_id = (select id from campaigns)")
    migrate(bare)
    counted = older.db.execute("select day::text, sent from daily_counts").fetchall()
    before = older.fields("campaign_leads", lead, "opened_at", "open_class")
    older.sql.adopt_opens()
    after = older.fields("campaign_leads", lead, "opened_at", "open_class")
    assert counted == [("2026-10-01", 1)]
    assert (before[1], after) == (None, (before[0], "unclassified"))

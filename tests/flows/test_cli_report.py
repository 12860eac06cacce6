"""`outreach report` and `campaigns report`: one set of numbers, on every way out."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from outreach.campaign.models import Opened
from outreach.campaign.numbers import Counts, DayCounts, Report
from outreach.cli import app
from outreach.reporting import chart, markdown, words
from outreach.reporting.page import page
from outreach.store.store import Store
from tests.browser import NARROW, NewPage
from tests.sql.conftest import T0, Build

Outreach = Callable[..., tuple[int, str, str]]
CHROME = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
DAYS = ("--since", "2026-11-01", "--until", "2026-12-31")


@pytest.fixture
def outreach(
    database: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outreach:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = app.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def campaign(db: psycopg.Connection) -> UUID:
    """60 sent, of which some were opened, some refused, one in doubt; two templates."""
    build = Build(db)
    accounts = [build.account(f"{name}@us.test") for name in ("ann", "bob")]
    made = build.campaign(*accounts, leads=70)
    run = build.begin(made, lease=1e7)
    for n in range(66):
        became = "sent" if n < 60 else ("refused", "unclear", "not_sent")[n % 3]
        at = n * 3 * 3600
        content = {
            "template": "ab"[n % 2] * 64, "own": False, "subject": "s", "filled": [],
            "text": {"subject": f"Hello {'ab'[n % 2]} <b>", "body": "Hi"},
        }  # fmt: skip
        attempt, lead = build.open(made, run, at=at, content=content)
        build.record(attempt, became, at=at, why=f"no <{became}>", again_after=9e9)
        if n % 4 == 0 and n < 60:
            agent = (CHROME, "Mozilla/5.0", "curl/8")[n // 4 % 3]
            build.sql.record_open(lead=lead, at=at + 60, user_agent=agent)
    return made


def read(result: tuple[int, str, str]) -> Any:
    status, text, error = result
    assert status == 0, error
    return json.loads(text)


def test_every_way_out_has_the_same_numbers(
    outreach: Outreach, campaign: UUID, store: Store, db: psycopg.Connection, tmp_path: Path
) -> None:
    """Terminal, JSON, page, digest, export, status and views; before and after a retry."""
    for _ in range(2):
        found = read(outreach("report", *DAYS, "--json"))
        counts = Counts.model_validate(found["totals"])
        text = outreach("report", *DAYS)[1]
        html = tmp_path / "report.html"
        assert outreach("report", *DAYS, "--html", html)[0] == 0
        shown = html.read_text()
        status = read(outreach("campaigns", "status", campaign, "--json"))
        export = outreach("campaigns", "export", campaign)[1]
        leads = list(csv.DictReader(io.StringIO(export)))
        (view,) = db.execute("select sum(sent) from outreach_report.days").fetchone() or (None,)
        told = markdown.digest(Report.model_validate(found), T0.date())
        opened = found["totals"]["opened"]

        assert counts.sent == 60
        assert view == counts.sent == status["leads"]["sent"]
        assert status["opened"] == opened == {"people": 5, "machines": 5, "unclassified": 5}
        assert sum(lead["status"] == "sent" for lead in leads) == counts.sent
        assert sum(bool(lead["opened_at"]) for lead in leads) == 10
        for way in (text, shown, told):
            assert words.mails(counts) in way
            assert words.opened(counts) in way
        assert sum(day["sent"] for day in found["days"]) == counts.sent
        store.retry_failed(campaign)


def test_a_report_of_a_campaign_has_its_account_and_template(
    outreach: Outreach, campaign: UUID
) -> None:
    found = read(outreach("campaigns", "report", campaign, "--json"))
    text = outreach("campaigns", "report", campaign)[1]
    accounts = {row["email"]: row["sent"] for row in found["accounts"]}
    templates = {row["subject"]: row["sent"] for row in found["templates"]}
    assert (found["campaign"], found["upcoming"]) == (str(campaign), [])
    assert (set(accounts), sum(accounts.values())) == ({"ann@us.test", "bob@us.test"}, 60)
    assert templates == {"Hello a <b>": 30, "Hello b <b>": 30}
    assert f"ann@us.test\tactive\t{accounts['ann@us.test']}\t" in text
    assert re.search(r"^2026-11-24\t5\t1\t1$", text, re.MULTILINE)


def test_a_report_without_a_mail_says_so(outreach: Outreach) -> None:
    status, text, told = outreach("report")
    unknown = outreach("campaigns", "report", UUID(int=7))
    wrong = outreach("report", "--since", "monday")
    assert (status, text, told) == (0, "", "No mail was sent on these days.\n")
    assert (unknown[0], "There is no campaign" in unknown[2]) == (1, True)
    assert (wrong[0], "'monday' is not a day" in wrong[2]) == (1, True)


def test_counts_are_rebuilt_by_a_command(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection
) -> None:
    assert campaign
    db.execute("delete from daily_counts")
    first, again = (read(outreach("db", "recount", "--json")) for _ in range(2))
    assert first["changed"] > 0
    assert again == {**first, "changed": 0}


def test_a_reader_is_made_by_a_command(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection
) -> None:
    """The address that it prints works."""
    assert campaign
    address = outreach("db", "reader", "metabase_cli")[1].strip()
    with psycopg.connect(address) as reader:
        assert reader.execute("select sum(sent) from outreach_report.days").fetchone() == (60,)
    db.execute("drop owned by metabase_cli; drop role metabase_cli")


# --- the page -----------------------------------------------------------------------------------


def test_the_page_fits_a_desk_a_phone_and_paper(
    outreach: Outreach, campaign: UUID, tmp_path: Path, new_page: NewPage
) -> None:
    """Light and dark; it asks no other host, runs nothing, and shows texts as they are."""
    assert campaign
    html = tmp_path / "report.html"
    outreach("report", *DAYS, "--html", html)
    for width, dark in ((1280, False), (NARROW, True)):
        shown, asked = new_page(width=width, dark=dark), []
        shown.on("request", lambda request, asked=asked: asked.append(request.url))
        shown.goto(html.as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert shown.get_by_text("Hello a <b>").is_visible()
        assert shown.locator("section").count() == 7
        assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(20, 21, 23)" if dark else "rgb(245, 245, 242)"
        )
        assert asked == [html.as_uri()]
    shown.emulate_media(media="print")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# --- pure ---------------------------------------------------------------------------------------


def day(text: str, sent: int) -> DayCounts:
    return DayCounts.model_validate({"day": text, "sent": sent})


def test_a_chart_has_every_day_and_as_many_bars_as_fit() -> None:
    """Days, then weeks, then months; nothing is lost but what is too old."""
    few = chart.bars([day("2026-11-30", 1), day("2026-12-02", 2)])
    weeks = chart.bars([day("2026-01-01", 1), day("2026-06-30", 2)])
    months = chart.bars([day("2020-01-01", 1), day("2026-06-30", 2)])
    assert [(bar.label, bar.sent) for bar in few] == [
        ("2026-11-30", 1), ("2026-12-01", 0), ("2026-12-02", 2),
    ]  # fmt: skip
    assert (len(weeks), sum(bar.sent for bar in weeks)) == (27, 3)
    assert (len(months), months[-1].label, months[-1].sent) == (chart.MOST_BARS, "2026-06", 2)
    assert chart.bars([]) == []


def test_bars_of_characters_grow_by_eighths() -> None:
    bars = [chart.blocks(value, 80, 10) for value in (0, 1, 4, 8, 80)]
    assert bars == ["", "▏", "▌", "█", "█" * 10]


def test_rates_are_ranges_and_few_mails_have_none() -> None:
    known = {"opened_low": 0.21, "opened_high": 0.48, "interval_low": 0.2, "interval_high": 0.5}
    many = Counts(sent=100, too_few=False, opened=Opened(people=21, unclassified=27), **known)
    same = Counts(sent=100, too_few=False, **{**known, "opened_high": 0.21})
    few = Counts(sent=10, **known)
    assert [words.rate(one) for one in (many, same, few, Counts())] == ["21-48 %", "21 %", "too few", ""]  # fmt: skip
    assert [words.interval(one) for one in (many, few)] == ["20-50 %", ""]


def test_hostile_names_stay_text() -> None:
    """In the page and in Prefect's Markdown."""
    name = "<script>alert(1)</script> | [x](http://evil.test)"
    found = Report.model_validate({
        "made_at": T0, "since": None, "until": None, "totals": {},
        "upcoming": [{
            "id": UUID(int=1), "name": name, "status": "scheduled", "what": "starts",
            "starts_at": T0, "waiting_for": None, "pending": 3,
        }],
    })  # fmt: skip
    shown, told = page(found, name), markdown.upcoming(found.upcoming)
    assert "<script" not in shown
    assert "| 2026-11-24 09:00 UTC | \\<script\\>alert(1)" in told
    assert "\\[x\\](http" in told
    assert "\\|" in told

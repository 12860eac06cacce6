"""`outreach report` and `campaigns report`: one set of numbers, on every way out."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.campaign.models import Opened
from outreach.campaign.numbers import Counts, DayCounts, Report, Upcoming
from outreach.cli import app
from outreach.reporting import chart, markdown, words
from outreach.reporting.page import page
from tests.browser import NARROW, NewPage
from tests.sql.conftest import T0, Build

Outreach = Callable[..., tuple[int, str, str]]
CHROME = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
LATER = 30 * 86_400.0
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
    """60 sent, of which some were opened, some refused, in doubt, failed, suppressed; two templates."""
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


@dataclass
class Everywhere:
    """All ways out of the numbers, of a database with one campaign."""

    outreach: Outreach
    campaign: UUID
    db: psycopg.Connection
    html: Path

    def agreed(self) -> tuple[dict[str, int], dict[str, int]]:
        """(mails and openings, leads by status), having seen that every way out has the same."""
        found = read(self.outreach("report", *DAYS, "--json"))
        totals, leads = found["totals"], found["campaigns"][0]["leads"]
        self._in_json(found)
        self._in_words(found)
        self._in_views(totals, leads)
        self._in_the_export(totals, leads)
        mails = {name: totals[name] for name in ("sent", "refused", "put_off", "unclear")}
        return {**mails, **totals["opened"]}, leads

    def _in_json(self, found: Any) -> None:
        """Of all campaigns, of this one, its status, its row in the list."""
        totals, leads = found["totals"], found["campaigns"][0]["leads"]
        of_one = read(self.outreach("campaigns", "report", self.campaign, *DAYS, "--json"))
        status = read(self.outreach("campaigns", "status", self.campaign, "--json"))
        (listed,) = read(self.outreach("campaigns", "list", "--json"))
        assert of_one["totals"] == totals
        assert of_one["campaigns"] == found["campaigns"]
        assert (status["leads"], status["opened"]) == (leads, totals["opened"])
        assert {name: listed["leads"][name] for name in leads} == leads
        for rows in ("days", "campaigns", "accounts", "templates"):
            for name in ("sent", "refused", "unclear", "put_off"):
                assert sum(row[name] for row in found[rows]) == totals[name], (rows, name)

    def _in_words(self, found: Any) -> None:
        """The terminal, the page, and the digest that Prefect keeps as an artifact."""
        assert self.outreach("report", *DAYS, "--html", self.html)[0] == 0
        counts = Counts.model_validate(found["totals"])
        told = markdown.digest(Report.model_validate(found), T0.date())
        for way in (self.outreach("report", *DAYS)[1], self.html.read_text(), told):
            assert words.mails(counts) in way
            assert words.opened(counts) in way

    def _in_views(self, totals: Any, leads: Any) -> None:
        opened = tuple(totals["opened"][name] for name in ("people", "unclassified", "machines"))
        sums = "sum(sent), sum(opened_people), sum(opened_unclassified), sum(opened_machines)"
        for view in ("days", "campaigns", "accounts", "templates", "cohorts"):
            query = f"select {sums} from outreach_report.{view}"  # noqa: S608
            assert self.db.execute(query.encode()).fetchone() == (totals["sent"], *opened), view
        states = self.db.execute(
            "select pending, sent, failed, cancelled from outreach_report.campaigns"
        ).fetchone()
        assert states == tuple(leads[name] for name in ("pending", "sent", "failed", "cancelled"))

    def _in_the_export(self, totals: Any, leads: Any) -> None:
        """A row for each lead; an opening that is no machine's has its time."""
        rows = [
            *csv.DictReader(io.StringIO(self.outreach("campaigns", "export", self.campaign)[1]))
        ]
        states = Counter(row["status"] for row in rows)
        opened = totals["opened"]["people"] + totals["opened"]["unclassified"]
        assert {name: states[name] for name in leads} == leads
        assert states["sent"] == totals["sent"]
        assert sum(bool(row["opened_at"]) for row in rows) == opened


def test_every_way_out_has_the_same_numbers(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection, tmp_path: Path
) -> None:
    """With every outcome; before and after resolve, retry, erase, and a count anew."""
    build = Build(db)
    run = UUID(build.fields("campaigns", campaign, "run_id")[0])
    claims = build.claim(campaign, run, at=LATER, most=2)["claims"]
    build.sql.fail_lead(
        lead=UUID(claims[0]["id"]), claim=UUID(claims[0]["token"]), why="no subject", at=LATER
    )
    assert outreach("suppressions", "add", claims[1]["lead"]["email"])[0] == 0
    build.attempt(claims[1], run, at=LATER, knows_cancelled=True)
    db.execute(
        "update campaign_leads set opened_at = now() where id = (select id from campaign_leads"
        " where status = 'sent' and open_class is null limit 1)"
    )
    of = Everywhere(outreach, campaign, db, tmp_path / "report.html")
    in_doubt = [
        lead
        for (lead,) in db.execute(
            "select campaign_lead_id from send_attempts where outcome = 'unclear' order by started_at"
        )
    ]
    (opener,) = db.execute(
        "select l.email from campaign_leads cl join leads l on l.id = cl.lead_id"
        " where cl.open_class = 'person' limit 1"
    ).fetchone() or ("",)

    first = of.agreed()
    for lead, word in zip(in_doubt, ("--sent", "--not-sent"), strict=True):
        assert outreach("campaigns", "resolve", lead, word)[0] == 0
    resolved = of.agreed()
    assert outreach("campaigns", "retry-failed", campaign)[0] == 0
    retried = of.agreed()
    assert outreach("leads", "erase", opener, "--by", "Ann")[0] == 0
    erased = of.agreed()
    assert outreach("db", "recount")[0] == 0
    counted = of.agreed()

    assert first == (
        {"sent": 60, "refused": 2, "put_off": 2, "unclear": 2,
         "people": 5, "unclassified": 6, "machines": 5},
        {"pending": 4, "sent": 60, "failed": 5, "cancelled": 1},
    )  # fmt: skip
    assert resolved == (
        {**first[0], "sent": 61, "put_off": 3, "unclear": 0},
        {"pending": 5, "sent": 61, "failed": 3, "cancelled": 1},
    )
    assert retried == (
        resolved[0],
        {"pending": 8, "sent": 61, "failed": 0, "cancelled": 1},
    )
    assert erased == counted == retried


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


def test_a_follow_up_is_told_from_the_campaign_that_it_follows(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection
) -> None:
    """It is named as that one unless told."""
    Build(db).sql.add_step(root=campaign, step_id=(step := uuid4()), after_days=3)
    [upcoming] = [
        one for one in read(outreach("report", "--json"))["upcoming"] if one["id"] == str(step)
    ]
    assert (upcoming["parent_id"], upcoming["step"]) == (str(campaign), 2)
    assert "Spring (step 2)" in outreach("report")[1]


def test_a_report_that_cannot_be_written_names_the_option(
    outreach: Outreach, tmp_path: Path
) -> None:
    status, _, error = outreach("report", "--html", tmp_path / "no" / "x.html")
    assert status == 1
    assert error.endswith("name another file with --html.\n")


def test_a_report_without_a_mail_says_so(outreach: Outreach) -> None:
    status, text, told = outreach("report")
    unknown = outreach("campaigns", "report", UUID(int=7))
    wrong = outreach("report", "--since", "monday")
    assert (status, text, told) == (0, "", "No mail was sent on these days.\n")
    assert (unknown[0], "There is no campaign" in unknown[2]) == (1, True)
    assert (wrong[0], "'monday' is not a day" in wrong[2]) == (1, True)


def test_a_report_until_a_day_is_of_the_thirty_days_before_it(outreach: Outreach) -> None:
    made = read(outreach("report", "--until", "2026-10-31", "--json"))
    swapped = outreach("report", "--since", "2026-10-31", "--until", "2026-10-01")
    assert (made["since"], made["until"]) == ("2026-10-02", "2026-10-31")
    assert (swapped[0], "2026-10-31 is after 2026-10-01" in swapped[2]) == (1, True)


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


@pytest.mark.parametrize(
    ("what", "when"),
    [("sending", "now"), ("follows", "after the mail before it"), ("paused", "a person")],
)
def test_what_has_no_time_yet_is_told_in_words(what: str, when: str) -> None:
    one = Upcoming(
        id=UUID(int=1), name="Spring", status="running", what=what,
        starts_at=None, waiting_for=None, pending=3,
    )  # fmt: skip
    assert words.coming(one) == when


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

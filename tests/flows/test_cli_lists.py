"""What the lists tell: campaigns, accounts and leads, for people and for scripts alike."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.cli import app
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store

MADE = datetime(2026, 11, 24, 9, tzinfo=UTC)

Outreach = Callable[..., tuple[int, str, str]]
NewCampaign = Callable[..., UUID]


@pytest.fixture
def store(database: SecretStr, settings: Settings) -> Iterator[Store]:
    opened = Store(Postgres(database), settings)
    yield opened
    opened.close()


@pytest.fixture
def outreach(
    database: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outreach:
    """Runs the command in this process, away from any `.env`: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())
    monkeypatch.setenv("TZ", "UTC")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = app.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def new_campaign(store: Store, db: psycopg.Connection) -> NewCampaign:
    """A draft with its own leads, as if it had been made on that day of November 2026."""

    def new(name: str, day: int, *, leads: int = 2, accounts: int = 1) -> UUID:
        addresses = [f"sender{number}@ours.example" for number in range(accounts)]
        for address in addresses:
            store.save_account(uuid4(), address, refresh_token="t")
        rows = [{"email": f"lead{number}@{name}.example"} for number in range(leads)]
        store.import_leads(rows, tag=name)
        made = uuid4()
        store.create_campaign(made, name, addresses, tag=name)
        db.execute(
            "update campaigns set created_at = %s where id = %s", (MADE.replace(day=day), made)
        )
        return made

    return new


def shown(ran: tuple[int, str, str]) -> list[dict[str, str]]:
    """A list through a pipe, a row each by its columns."""
    assert (ran[0], ran[2]) == (0, "")
    names, *rows = [line.split("\t") for line in ran[1].splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def read(ran: tuple[int, str, str]) -> Any:
    assert (ran[0], ran[2]) == (0, "")
    return json.loads(ran[1])


# --- campaigns list ---------------------------------------------------------------------------


def test_campaigns_are_listed_the_newest_first(
    outreach: Outreach, new_campaign: NewCampaign
) -> None:
    """Whatever their ids, as text and as JSON."""
    for name, day in (("second", 20), ("first", 10), ("third", 30)):
        new_campaign(name, day)

    newest_first = ["third", "second", "first"]
    assert [row["name"] for row in shown(outreach("campaigns", "list"))] == newest_first
    assert [c["name"] for c in read(outreach("campaigns", "list", "--json"))] == newest_first


def test_a_listed_campaign_tells_its_dates_accounts_progress_and_total(
    outreach: Outreach, new_campaign: NewCampaign, store: Store, db: psycopg.Connection
) -> None:
    """The same in both."""
    campaign = new_campaign("Spring", 24, leads=3, accounts=4)
    store.begin_run(campaign, uuid4(), 60)
    db.execute("update campaigns set started_at = created_at + interval '1 hour'")
    db.execute("update campaigns set finished_at = created_at + interval '2 hours'")
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = now()"
        " where id = (select min(id::text)::uuid from campaign_leads)"
    )

    (row,) = shown(outreach("campaigns", "list"))
    (found,) = read(outreach("campaigns", "list", "--json"))

    assert row == {
        "id": str(campaign), "name": "Spring", "status": "running", "sent": "1/3", "failed": "0",
        "goes on": "", "error": "", "progress": "33.3 %", "total": "3",
        "accounts": "sender0@ours.example, sender1@ours.example, 2 more",
        "created": "2026-11-24 09:00:00", "started": "2026-11-24 10:00:00",
        "ended": "2026-11-24 11:00:00", "replied": "0", "bounced": "0", "unsubscribed": "0",
    }  # fmt: skip
    assert found == {
        "id": str(campaign), "name": "Spring", "status": "running", "error": None,
        "resume_at": None, "leads": {"pending": 2, "sent": 1, "failed": 0, "cancelled": 0},
        "flow_run_ids": found["flow_run_ids"],
        "created_at": "2026-11-24T09:00:00Z", "scheduled_at": None,
        "started_at": "2026-11-24T10:00:00Z", "finished_at": "2026-11-24T11:00:00Z",
        "paused_at": None, "waiting_for": None,
        "accounts": [f"sender{number}@ours.example" for number in range(4)],
        "opened": {"people": 0, "machines": 0, "unclassified": 0},
        "replied": 0, "bounced": 0, "unsubscribed": 0, "away": 0, "total": 3, "progress": 33.3,
        "parent_id": None, "step": None, "steps": [],
    }  # fmt: skip


def test_campaigns_are_chosen_by_status_and_by_the_time_of_their_making(
    outreach: Outreach, new_campaign: NewCampaign, store: Store
) -> None:
    """Alone and together; a day means its beginning on this machine."""
    for name, day in (("first", 10), ("second", 20), ("third", 30)):
        campaign = new_campaign(name, day)
        if name != "second":
            store.start_campaign(campaign)

    def names(*chosen: str) -> list[str]:
        return [c["name"] for c in read(outreach("campaigns", "list", *chosen, "--json"))]

    assert names("--status", "running") == ["third", "first"]
    assert names("--since", "2026-11-20") == ["third", "second"]
    assert names("--since", "2026-11-20T09:00:01+00:00") == ["third"]
    assert names("--since", "2026-11-15", "--status", "draft") == ["second"]
    assert names("--status", "error") == []


@pytest.mark.parametrize("since", ["yesterday", "", "2026-13-01", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_refused(outreach: Outreach, since: str) -> None:
    """With what to write."""
    status, out, err = outreach("campaigns", "list", "--since", since)
    assert (status, out) == (1, "")
    assert err.startswith(f"Error: {since!r} is not a time; write --since like 2026-12-01 or 2026-")


def test_an_empty_list_says_why(outreach: Outreach, new_campaign: NewCampaign) -> None:
    """None at all, or none that fits."""
    assert outreach("campaigns", "list")[2].startswith("There is no campaign yet")
    new_campaign("Spring", 1)
    assert outreach("campaigns", "list", "--status", "error") == (0, "", "No campaign fits.\n")


# --- campaigns status -------------------------------------------------------------------------


def test_the_json_of_a_status_has_all_that_its_text_has(
    outreach: Outreach, new_campaign: NewCampaign, store: Store
) -> None:
    """Start, reason, rate, and a line of each account."""
    campaign = new_campaign("Spring", 24, leads=3)
    store.start_campaign(campaign)
    run = uuid4()
    store.begin_run(campaign, run, 60)
    for claim in store.claim_leads(uuid4(), campaign, run, 2).claims:
        attempt = uuid4()
        store.begin_attempt(attempt, claim, run, "o1", None, None)
        store.record_outcome(attempt, "sent")
    store.pause_campaign(campaign)

    text = outreach("campaigns", "status", campaign)[1]
    found = read(outreach("campaigns", "status", campaign, "--json"))

    assert found["mails_a_minute"] > 0
    assert found["started_at"] is not None
    assert found["now"] in " ".join(text.split())
    assert found["now"].startswith("It is paused until a person acts")
    assert (found["waiting_for"], found["ends"]) == ("a person to resume it", None)
    assert found["by_account"] == [
        {
            "email": "sender0@ours.example",
            "leads": {"pending": 1, "sent": 2, "failed": 0, "cancelled": 0},
            "sent_today": 2,
            "daily_limit": 500,
            "pace_seconds": 2,
            "state": "sending",
        }
    ]


# --- accounts list ----------------------------------------------------------------------------


def test_accounts_show_the_pace_and_the_limit_that_are_in_force(
    outreach: Outreach, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their own, or the default, and which of the two it is."""
    monkeypatch.setenv("ACCOUNT_DAILY_LIMIT", "400")
    store.save_account(uuid4(), "own@ours.example", pace_seconds=0.5, daily_limit=50)
    store.save_account(uuid4(), "usual@ours.example")

    rows = {row["email"]: row for row in shown(outreach("accounts", "list"))}
    found = {row["email"]: row for row in read(outreach("accounts", "list", "--json"))}

    assert [(rows[e]["pace"], rows[e]["limit"]) for e in sorted(rows)] == [
        ("0.5", "50"),
        ("2 (default)", "400 (default)"),
    ]
    names = ("pace_seconds", "daily_limit", "pace_in_force", "limit_in_force")
    assert [[found[e][name] for name in names] for e in sorted(found)] == [
        [0.5, 50, 0.5, 50],
        [None, None, 2, 400],
    ]


def test_accounts_show_their_ramp_and_their_cap(outreach: Outreach, store: Store) -> None:
    """The ramp's limit is the one in force; `off` and 0 take them away."""
    add = ("accounts", "add", "ada@ours.example")
    outreach(*add, "--ramp", "20+5", "--domain-cap", "3")
    (row,) = shown(outreach("accounts", "list"))
    (found,) = read(outreach("accounts", "list", "--json"))
    outreach(*add, "--ramp", "off", "--domain-cap", "0")
    (after,) = store.list_accounts()

    assert (row["limit"], row["ramp"], row["to a domain"]) == ("20", "20+5, day 1", "3")
    assert (found["ramp"]["limit"], found["limit_in_force"], found["domain_cap"]) == (20, 20, 3)
    assert (after.ramp, after.domain_cap) == (None, None)


# --- leads list -------------------------------------------------------------------------------


def test_leads_are_listed_with_what_became_of_them(
    outreach: Outreach, new_campaign: NewCampaign, store: Store, db: psycopg.Connection
) -> None:
    """In all their campaigns; addresses are the operator's own here."""
    new_campaign("spring", 1, leads=1)
    store.create_campaign(uuid4(), "again", ["sender0@ours.example"], tag="spring")
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = '2026-11-24 10:00+01'"
        " where campaign_id = (select id from campaigns where name = 'spring')"
    )
    store.import_leads(
        [{"email": "zoe@x.example", "name": "Zoë", "role": "CEO", "company": "Acme"}], tag=None
    )

    rows = {row["email"]: row for row in shown(outreach("leads", "list"))}
    found = {row["email"]: row for row in read(outreach("leads", "list", "--json"))}

    assert rows == {
        "lead0@spring.example": {
            "email": "lead0@spring.example", "name": "", "company": "", "role": "",
            "tags": "spring", "pending": "1", "sent": "1", "failed": "0", "cancelled": "0",
            "last mailed": "2026-11-24 09:00:00",
        },
        "zoe@x.example": {
            "email": "zoe@x.example", "name": "Zoë", "company": "Acme", "role": "CEO", "tags": "",
            "pending": "0", "sent": "0", "failed": "0", "cancelled": "0", "last mailed": "",
        },
    }  # fmt: skip
    assert found["lead0@spring.example"] == {
        "id": found["lead0@spring.example"]["id"],
        "email": "lead0@spring.example", "name": None, "role": None, "company": None,
        "tags": ["spring"],
        "campaigns": {"pending": 1, "sent": 1, "failed": 0, "cancelled": 0},
        "sent_at": "2026-11-24T09:00:00Z",
    }  # fmt: skip


def test_leads_are_chosen_by_tag_and_by_status(
    outreach: Outreach, new_campaign: NewCampaign, store: Store
) -> None:
    """Alone and together."""
    store.cancel_campaign(new_campaign("spring", 1, leads=1))
    new_campaign("autumn", 2, leads=1)
    store.import_leads([{"email": "zoe@spring.example"}], tag="spring")

    def addresses(*chosen: str) -> set[str]:
        return {row["email"] for row in read(outreach("leads", "list", *chosen, "--json"))}

    assert addresses("--tag", "spring") == {"lead0@spring.example", "zoe@spring.example"}
    assert addresses("--status", "pending") == {"lead0@autumn.example"}
    assert addresses("--tag", "spring", "--status", "cancelled") == {"lead0@spring.example"}
    assert outreach("leads", "list", "--tag", "none") == (0, "", "No lead fits.\n")


def test_no_lead_at_all_says_how_to_get_some(outreach: Outreach) -> None:
    """On stderr; the JSON is an empty list."""
    told = "There is no lead yet; import some with `outreach leads import FILE.csv`.\n"
    assert outreach("leads", "list") == (0, "", told)
    assert read(outreach("leads", "list", "--json")) == []


# --- failures ---------------------------------------------------------------------------------


def test_a_failed_lead_tells_when_and_why_also_after_a_retry(
    outreach: Outreach, new_campaign: NewCampaign, store: Store
) -> None:
    """`campaigns leads` and `export`, as text and as JSON."""
    campaign = new_campaign("Spring", 1, leads=1)

    def fail(why: str) -> None:
        run = uuid4()
        store.begin_run(campaign, run, 60)
        (claim,) = store.claim_leads(uuid4(), campaign, run, 1).claims
        store.fail_lead(claim, why)
        store.release_run(campaign, run)

    store.start_campaign(campaign)
    fail("no template")
    store.retry_failed(campaign)
    (retried,) = shown(outreach("campaigns", "leads", campaign))
    fail("{{ nmae }}")
    (failed,) = shown(outreach("campaigns", "leads", campaign))
    (found,) = read(outreach("campaigns", "leads", campaign, "--json"))
    exported = outreach("campaigns", "export", campaign)[1].splitlines()

    assert [(row["status"], row["error"], row["failed before"]) for row in (retried, failed)] == [
        ("pending", "", "no template"),
        ("failed", "{{ nmae }}", "no template"),
    ]
    assert retried["failed at"] <= failed["failed at"] != ""
    assert [one["reason"] for one in found["failures"]] == ["no template", "{{ nmae }}"]
    assert found["failed_at"] == found["failures"][-1]["failed_at"]
    assert exported[0].endswith(
        ",error,lead,failed_at,failures,replied_at,bounced_at,bounce,bounce_status,away_at,back_on,"
        "unsubscribed_at"
    )
    assert exported[1].endswith("Z {{ nmae }},,,,,,,")
    assert "Z no template | 20" in exported[1]


# --- leads show -------------------------------------------------------------------------------


def test_a_persons_history_and_the_text_of_a_mail_are_shown(
    outreach: Outreach, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """Of one who never was a lead it is said."""
    new_campaign("spring", 1, leads=1)
    version = "ab" * 32
    db.execute(
        "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id, address,"
        " started_at, search_token, finished_at, outcome, template, subject, placeholders)"
        " select gen_random_uuid(), campaign_id, id, assigned_account_id, gen_random_uuid(),"
        " 'lead0@spring.example', '2026-11-24 10:00Z', 'o1', now(), 'sent', %s, 'Hello', '[\"name\"]'"
        " from campaign_leads",
        (version,),
    )
    db.execute(
        "insert into template_versions (hash, subject, body) values (%s, 'Hello', 'Hi {{ name }}')",
        (version,),
    )
    status, text, _ = outreach("leads", "show", "LEAD0@spring.example")
    found = read(outreach("leads", "show", "LEAD0@spring.example", "--json"))
    mail = {name: found["events"][0][name] for name in ("kind", "outcome", "subject", "template")}
    assert (status, found["campaigns"][0]["campaign"]) == (0, "spring")
    assert mail == {"kind": "mail", "outcome": "sent", "subject": "Hello", "template": version}
    assert "2026-11-24 10:00:00\tmail\tspring\tsender0@ours.example\tsent\t\tHello" in text
    assert outreach("leads", "template", version[:12])[1].splitlines()[-1] == "Hi {{ name }}"
    unknown = [outreach("leads", "show", "a@b.example"), outreach("leads", "template", "ffffffff")]
    assert [(status, text) for status, text, _ in unknown] == [(1, ""), (1, "")]
    assert "Nothing is known of a@b.example" in unknown[0][2]

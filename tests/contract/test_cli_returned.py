"""The commands that read mailboxes, and those that show what came back."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox
from outreach.cli import app
from outreach.settings import Settings
from outreach.wiring import open_services
from tests.contract.mailed import ADA, Mailed

GRACE = "grace@ours.example"
JO, KIM, LEE, MAX, NOA = (f"{name}@lead.example" for name in ("jo", "kim", "lee", "max", "noa"))


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Outreach = Callable[..., Ran]


@pytest.fixture
def settings(database: SecretStr, shared_sandbox: Sandbox, tmp_path: Path) -> Settings:
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path,
        gmail_api_url=shared_sandbox.url,
        google_token_url=shared_sandbox.token_url,
        send_pace_seconds=0,
        attachment_pdf="",
    )


@pytest.fixture
def mailed(settings: Settings, shared_sandbox: Sandbox) -> Iterator[Mailed]:
    shared_sandbox.state.reset()
    services = open_services(settings)
    with httpx.Client(base_url=shared_sandbox.url) as gmail:
        yield Mailed(services, gmail)
    services.close()


@pytest.fixture
def outreach(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outreach:
    """Runs the command in this process, with the test's settings alone."""
    for name, value in settings.exported().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        status = app.run([str(argument) for argument in arguments])
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def returned(mailed: Mailed) -> UUID:
    """A campaign of five leads: four sent something back, which was read."""
    campaign = mailed.campaign(JO, KIM, LEE, MAX, NOA)
    mailed.back("reply", JO)
    mailed.back("bounce", KIM)
    mailed.back("away", LEE, back_on="2027-01-07")
    mailed.back("unsubscribe", MAX)
    mailed.read()
    return campaign


# --- reading --------------------------------------------------------------------------------------


def test_all_mailboxes_are_read_now(mailed: Mailed, outreach: Outreach) -> None:
    """Again nothing is new, but it is read again, whenever that was done last."""
    mailed.campaign(JO)
    mailed.campaign(KIM, sender=GRACE)
    mailed.back("reply", JO)

    first, second = outreach("mailboxes", "read"), outreach("mailboxes", "read", "--json")

    assert (first.status, set(first.out.splitlines())) == (
        0,
        {f"{ADA}: 1 mail(s) recorded", f"{GRACE}: 0 mail(s) recorded"},
    )
    done = {"recorded": 0, "problem": None, "busy": False}
    assert sorted(second.json, key=lambda one: one["email"]) == [
        {"email": ADA, **done},
        {"email": GRACE, **done},
    ]


def test_one_that_cannot_be_read_is_told_and_the_others_are_read(
    mailed: Mailed, outreach: Outreach
) -> None:
    """Status 1, with the command that mends it, here and wherever accounts are shown."""
    mailed.campaign(JO, scopes="send")
    mailed.campaign(KIM, sender=GRACE)
    mailed.back("reply", KIM)
    unread = "The account lets us send but not read, so replies, bounces and opt-outs by mail"
    unread += f" stay unseen; grant that with `outreach accounts connect {ADA}`"

    ran = outreach("mailboxes", "read")
    listed = {one["email"]: one for one in outreach("mailboxes", "list", "--json").json}
    accounts = {
        line.split("\t")[0]: line.split("\t")[-3:]
        for line in outreach("accounts", "list").out.splitlines()
    }

    assert (ran.status, set(ran.out.splitlines())) == (
        1,
        {f"{ADA}: 0 mail(s) recorded; {unread}.", f"{GRACE}: 1 mail(s) recorded"},
    )
    assert (listed[ADA]["can_read"], listed[ADA]["scopes"], listed[ADA]["problem"]) == (
        False,
        "send",
        f"{unread}.",
    )
    assert listed[ADA]["read_at"] is None
    assert (listed[GRACE]["problem"], listed[GRACE]["replied"]) == (None, 1)
    assert accounts[ADA] == ["send", "", unread]
    assert accounts[GRACE][2] == ""


def test_a_mailbox_that_another_process_reads_is_left_to_it(
    mailed: Mailed, outreach: Outreach
) -> None:
    """That is no failure."""
    mailed.campaign(JO)
    mailed.store.mailboxes.take(uuid4(), lease_seconds=60, rest_seconds=0, most=1)

    ran = outreach("mailboxes", "read", "--account", ADA.upper())

    assert (ran.status, ran.out) == (0, f"{ADA}: another process reads it at this moment\n")


def test_what_has_no_mailbox_is_refused(mailed: Mailed, outreach: Outreach) -> None:
    """With the remedy."""
    mailed.store.save_account(uuid4(), ADA)
    for wanted, says in (
        (["--account", "x@ours.example"], "There is no account x@ours.example; `outreach accounts"),
        (["--account", ADA], f"{ADA} is not connected; connect it with `outreach accounts conn"),
        ([], "No account is connected; connect it with `outreach accounts connect EMAIL`."),
    ):
        ran = outreach("mailboxes", "read", *wanted)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith(f"Error: {says}")


def test_mailboxes_are_listed_with_their_gap_and_error(
    mailed: Mailed, outreach: Outreach, db: psycopg.Connection
) -> None:
    """One that was never read, too."""
    mailed.campaign(JO)
    mailed.store.save_account(uuid4(), GRACE)
    mailed.read()
    db.execute(
        "update mailboxes set problem = 'Gmail is away', gap_from = '2026-11-01 10:00Z',"
        " gap_until = '2026-11-09 10:00Z'"
    )

    shown = [line.split("\t") for line in outreach("mailboxes", "list").out.splitlines()]

    assert shown[0][:4] == ["email", "status", "read at", "problem"]
    rows = {row[0]: row for row in shown[1:]}
    assert rows[ADA][1] == "active"
    assert rows[ADA][3:5] == ["Gmail is away", "modify"]
    assert all(rows[ADA][8:10])
    assert rows[GRACE] == [GRACE, "not connected", "", "", "", "0", "0", "0", "", ""]


# --- what came back -------------------------------------------------------------------------------


def test_a_report_on_a_mail_that_is_not_ours_is_recorded_without_one(
    mailed: Mailed, outreach: Outreach
) -> None:
    """Else each round would meet it again."""
    campaign = mailed.campaign(JO)
    mailed.receive(
        b"From: mailer-daemon@lead.example\nTo: ada@ours.example\nSubject: Undelivered Mail\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.lead.example\n\n"
        b"Final-Recipient: rfc822; stranger@lead.example\nAction: failed\nStatus: 5.1.1\n--b--\n"
    )

    first, second = (outreach("mailboxes", "read", "--json").json[0] for _ in range(2))

    assert [(one["recorded"], one["problem"]) for one in (first, second)] == [(1, None), (0, None)]
    assert outreach("campaigns", "replies", campaign, "--json").json == []


def test_what_came_back_to_a_campaign_is_listed(returned: UUID, outreach: Outreach) -> None:
    """Each with its lead, as text and as JSON."""
    rows = outreach("campaigns", "replies", returned, "--json").json
    lines = outreach("campaigns", "replies", returned).out.splitlines()

    told = ("email", "kind", "verdict", "status", "account", "back_on", "via")
    assert sorted(tuple(row[name] for name in told) for row in rows) == [
        (JO, "reply", "none", "", ADA, None, "mail"),
        (KIM, "bounce", "dead", "5.1.1", ADA, None, "mail"),
        (LEE, "away", "none", "", ADA, "2027-01-07", "mail"),
        (MAX, "unsubscribe", "none", "", ADA, None, "mail"),
    ]
    assert lines[0].split("\t")[:4] == ["email", "kind", "at", "verdict"]
    assert sorted(line.split("\t")[0] for line in lines[1:]) == [JO, KIM, LEE, MAX]
    assert outreach("campaigns", "replies", uuid4()).err.startswith("Error: There is no campaign")


def test_the_campaign_counts_it_and_each_lead_has_it(
    returned: UUID, outreach: Outreach, tmp_path: Path
) -> None:
    """In `status`, `list`, `leads` and `export`."""
    status = outreach("campaigns", "status", returned, "--json").json
    lines = outreach("campaigns", "status", returned).out.splitlines()
    (listed,) = outreach("campaigns", "list", "--json").json
    leads = {one["email"]: one for one in outreach("campaigns", "leads", returned, "--json").json}
    shown = outreach("campaigns", "leads", returned).out.splitlines()
    outreach("campaigns", "export", returned, "--out", tmp_path / "leads.csv")
    with (tmp_path / "leads.csv").open(encoding="utf-8") as file:
        exported = {row["email"]: row for row in csv.DictReader(file)}

    counts = {"replied": 1, "bounced": 1, "unsubscribed": 1, "away": 1}
    assert {name: status[name] for name in counts} == counts
    assert {name: listed[name] for name in counts} == counts
    assert [line.split() for line in lines if line.startswith(tuple(counts))] == [
        [name, "1"] for name in counts
    ]
    assert [leads[KIM]["bounce"], leads[KIM]["bounce_status"]] == ["dead", "5.1.1"]
    assert leads[LEE]["back_on"] == exported[LEE]["back_on"] == "2027-01-07"
    assert [bool(exported[email]["replied_at"]) for email in (JO, NOA)] == [True, False]
    assert exported[KIM]["bounced_at"].endswith("Z")
    assert exported[MAX]["unsubscribed_at"].endswith("Z")
    assert {line.split("\t")[0]: line.split("\t")[-1] for line in shown[1:]} == {
        JO: "replied",
        KIM: "bounced: dead 5.1.1",
        LEE: "away until 2027-01-07",
        MAX: "unsubscribed",
        NOA: "",
    }


def test_an_account_shows_what_came_back_to_it(returned: UUID, outreach: Outreach) -> None:
    """In the last 30 days, and when it was read."""
    assert returned
    (account,) = outreach("accounts", "list", "--json").json
    header, row = (line.split("\t") for line in outreach("accounts", "list").out.splitlines())

    mailbox = account["mailbox"]
    assert [mailbox[name] for name in ("can_read", "scopes", "problem")] == [True, "modify", None]
    assert [mailbox[name] for name in ("replied", "bounced", "blocked")] == [1, 1, 0]
    shown = dict(zip(header, row, strict=True))
    assert [shown[name] for name in ("answered", "bounced", "blocked", "granted", "mailbox")] == [
        "1", "1", "0", "modify", "",
    ]  # fmt: skip
    assert shown["read at"]


# --- what a person says ---------------------------------------------------------------------------


def test_an_answer_by_telephone_counts(mailed: Mailed, outreach: Outreach) -> None:
    """To one campaign's mail or to all; said again it is known."""
    spring = mailed.campaign(JO)
    mailed.campaign(JO)

    one = outreach("leads", "answered", "Jo@Lead.example", "--campaign", spring, "--by", "Ann")
    both = outreach("leads", "answered", JO, "--by", "Ann", "--json")
    again = outreach("leads", "answered", JO, "--by", "Ann")

    assert (one.status, one.out) == (
        0,
        f"1 mail(s) to {JO} count as answered, in the name of Ann.\n",
    )
    assert both.json == {"email": JO, "noted": 1, "known": 1}
    assert again.out == f"{JO} had answered already.\n"
    (row,) = outreach("campaigns", "replies", spring, "--json").json
    assert (row["email"], row["kind"], row["via"]) == (JO, "reply", "person")


def test_an_answer_to_nothing_is_refused(mailed: Mailed, outreach: Outreach) -> None:
    """With one sentence."""
    campaign = mailed.campaign(JO)
    for arguments, says in (
        ([NOA, "--by", "Ann"], f"No campaign mailed {NOA}."),
        ([NOA, "--by", "Ann", "--campaign", campaign], f"The campaign did not mail {NOA}."),
        ([JO, "--by", " "], "An answer is noted in the name of a person; name them with --by."),
        (["jo", "--by", "Ann"], "'jo' is not a mail address; write one like mia@acme.com."),
        ([JO, "--by", "Ann", "--campaign", "x"], "'x' is not a campaign id; `outreach campaigns"),
    ):
        ran = outreach("leads", "answered", *arguments)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith(f"Error: {says}")


def test_a_person_ends_an_accounts_rest(
    mailed: Mailed, outreach: Outreach, db: psycopg.Connection
) -> None:
    """The list says why it rests; afterwards it does not."""
    mailed.campaign(JO)
    db.execute(
        "update accounts set paused_until = now() + interval '5 hours',"
        " rest_reason = '5 of its last 50 mails met dead addresses'"
    )

    before = outreach("accounts", "list").out.splitlines()[1].split("\t")
    woken = outreach("accounts", "wake", ADA)
    (after,) = outreach("accounts", "list", "--json").json

    assert before[3] == "rests for 5 hours: 5 of its last 50 mails met dead addresses"
    assert (woken.status, woken.out) == (0, f"{ADA} rests no more.\n")
    assert (after["paused_seconds"], after["rest_reason"]) == (None, None)
    assert outreach("accounts", "wake", "x@ours.example").err.startswith(
        "Error: There is no account x@ours.example; `outreach accounts list`"
    )

"""The command, run as people and scripts run it: arguments in, exit status, stdout, stderr."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from outreach.campaign.models import MailboxState
from outreach.cli import app
from outreach.cli.campaigns import watch as watching
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store

TOKEN = "sandbox:ada@ours.example:modify"
UNKNOWN = "11111111-1111-4111-8111-111111111111"


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
def environment(settings: Settings) -> dict[str, str]:
    """The test's settings, as a shell would export them."""
    return settings.exported()


@pytest.fixture
def outreach(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Outreach:
    """Run the command in this process: `outreach("accounts", "list", stdin="")`."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        status = app.run([str(one) for one in arguments])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def store(database: SecretStr, settings: Settings) -> Iterator[Store]:
    """A second pair of hands, for what the command has no word for."""
    opened = Store(Postgres(database), settings)
    yield opened
    opened.close()


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "leads.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def campaign(outreach: Outreach, csv: Callable[[str], Path]) -> UUID:
    """A draft of two leads, made with the command; no web app is there that unsubscribes."""
    outreach("accounts", "add", "ada@ours.example", "--refresh-token-stdin", stdin=f"{TOKEN}\n")
    file = csv(
        "email,name,company,email_subject,email_template\n"
        "zoe@acme.example,Zoë,Acme,A deck,Hello {{ name }}\n"
        "bob@acme.example,Bob,Acme,,\n"
    )
    assert outreach("leads", "import", file, "--tag", "spring").status == 0
    made = outreach(
        "campaigns", "create", "--name", "Spring", "--tag", "spring",
        "--account", "ada@ours.example", "--no-list-unsubscribe",
    )  # fmt: skip
    return UUID(made.out.strip())


def one_sentence(ran: Ran) -> str:
    """The error: exit status 1, nothing on stdout, one line on stderr without a traceback."""
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("Error: ")
    return ran.err.removeprefix("Error: ").strip()


# --- the main job ---------------------------------------------------------------------------------


def test_a_campaign_goes_from_a_file_to_mails_in_this_process(
    prefect_api: str,  # noqa: ARG001 - the server that its run is recorded in
    outreach: Outreach,
    campaign: UUID,
    gmail: httpx.Client,
) -> None:
    """`start --local` sends; `status` and `leads` have exactly the shapes that scripts rely on."""
    ran = outreach("campaigns", "start", campaign, "--local")

    assert (ran.status, ran.out) == (0, "2/2 sent\n")
    status = outreach("campaigns", "status", campaign, "--json").json
    assert {name: status[name] for name in tuple(status)[:7]} == {
        "id": str(campaign),
        "name": "Spring",
        "status": "completed",
        "error": None,
        "resume_at": None,
        "leads": {"pending": 0, "sent": 2, "failed": 0, "cancelled": 0},
        "flow_run_ids": status["flow_run_ids"],
    }
    leads = outreach("campaigns", "leads", campaign, "--status", "sent", "--json").json
    mails = {mail["to"]: mail for mail in gmail.get("/sandbox/mails").json()}
    assert {lead["email"]: lead for lead in leads} == {
        address: {
            "email": address,
            "status": "sent",
            "account": "ada@ours.example",
            "sent_at": next(x["sent_at"] for x in leads if x["email"] == address),
            "thread_id": mails[address]["thread_id"],
            "message_id": mails[address]["id"],
            "error": None,
            "failed_at": None,
            "failures": [],
            **dict.fromkeys(CAME_BACK),
        }
        for address in ("zoe@acme.example", "bob@acme.example")
    }


def test_a_local_run_that_fails_says_why_in_one_sentence(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
) -> None:
    """The campaign's own words, and a status that scripts can see."""
    db.execute("delete from campaign_accounts")

    ran = outreach("campaigns", "start", campaign, "--local", "--force")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("Error: The campaign has no Gmail account;")


def test_start_makes_a_flow_run_of_the_deployment(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    campaign: UUID,
) -> None:
    """Without a deployment nothing is started; with one its run gets the campaign's id alone."""
    refused = one_sentence(outreach("campaigns", "start", campaign))
    untouched = outreach("campaigns", "status", campaign, "--json").json["status"]
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("send-campaign")
        deployment = client.create_deployment(flow, "send-campaign")

        started = outreach("campaigns", "start", campaign, "--json")

        run = client.read_flow_run(UUID(started.json["flow_run_id"]))
        client.delete_deployment(deployment)
    assert "no deployment send-campaign/send-campaign" in refused
    assert untouched == "draft"
    assert started.json == {
        "id": str(campaign),
        "flow_run_id": str(run.id),
        "status": "running",
    }
    assert (run.deployment_id, run.parameters) == (deployment, {"campaign_id": str(campaign)})


def test_a_prefect_that_is_away_leaves_the_campaign_a_draft(
    outreach: Outreach, campaign: UUID
) -> None:
    """Asked before anything is written, for both ways to start."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        there = one_sentence(outreach("campaigns", "start", campaign))
        here = one_sentence(outreach("campaigns", "start", campaign, "--local"))

    assert there.startswith("Nothing was started, since Prefect cannot be reached")
    assert here.startswith("Nothing was started, since Prefect cannot be reached")
    assert outreach("campaigns", "status", campaign, "--json").json["status"] == "draft"


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [["status"], ["leads"], ["start"], ["start", "--local"], ["cancel"], ["settle"]],
    ids=" ".join,
)
def test_an_id_of_no_campaign_is_one_sentence(outreach: Outreach, command: list[str]) -> None:
    """Both an id that nobody has and what is no id at all."""
    unknown = one_sentence(outreach("campaigns", *command, UNKNOWN))
    malformed = one_sentence(outreach("campaigns", *command, "spring"))

    assert unknown.startswith(f"There is no campaign {UNKNOWN};")
    assert malformed == "'spring' is not a campaign id; `outreach campaigns list` shows them."


def test_a_campaign_that_is_being_sent_does_not_start_again(
    outreach: Outreach, campaign: UUID, store: Store
) -> None:
    """It has a live owner; both ways to start say so."""
    store.start_campaign(campaign)
    store.begin_run(campaign, uuid4(), 60)

    there = one_sentence(outreach("campaigns", "start", campaign))
    here = one_sentence(outreach("campaigns", "start", campaign, "--local"))

    assert there == here
    assert there.startswith("The campaign is already running;")


def test_a_cancelled_campaign_does_not_start_again(outreach: Outreach, campaign: UUID) -> None:
    """Nothing leaves `cancelled`; and its leads are cancelled with it."""
    cancelled = outreach("campaigns", "cancel", campaign)

    assert cancelled.out == "The campaign is cancelled; 2 lead(s) will not be mailed.\n"
    assert one_sentence(outreach("campaigns", "start", campaign)).startswith(
        "The campaign is cancelled and does not start again;"
    )


def test_a_usage_error_is_exit_status_2(outreach: Outreach, campaign: UUID) -> None:
    """As every command's; an unknown lead status lists the four that there are."""
    unknown = outreach("campaigns", "leads", campaign, "--status", "done")

    assert outreach("campaigns", "delete").status == 2
    assert outreach("campaigns", "create", "--name", "N", "--account", "a@b.co").status == 2
    assert unknown.status == 2
    assert all(word in unknown.err for word in ("pending", "sent", "failed", "cancelled"))


def test_what_nobody_foresaw_is_told_by_its_kind_alone(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold a secret; the traceback is for those who ask for it."""

    def broken(_: Store) -> None:
        raise ValueError(TOKEN)

    monkeypatch.setattr(Store, "list_accounts", broken)

    told = one_sentence(outreach("accounts", "list"))
    monkeypatch.setenv("OUTREACH_DEBUG", "1")
    asked = outreach("accounts", "list")

    assert told == "Unexpected ValueError; set OUTREACH_DEBUG=1 for the traceback."
    assert "Traceback" in asked.err


def test_a_setting_that_is_wrong_is_named_and_not_shown(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that is none may still be a password."""
    monkeypatch.setenv("DATABASE_URL", "hunter2")

    told = one_sentence(outreach("db", "migrate"))

    assert told.startswith("DATABASE_URL is not a Postgres address;")
    assert "hunter2" not in told


# --- accounts -------------------------------------------------------------------------------------


def test_a_token_comes_from_stdin_and_is_never_shown(outreach: Outreach, store: Store) -> None:
    """It is stored; neither the answer nor the list has it."""
    added = outreach("accounts", "add", "Ada@ours.EXAMPLE", "--refresh-token-stdin", stdin=TOKEN)
    listed = outreach("accounts", "list", "--json")

    assert TOKEN not in added.out + added.err + listed.out + listed.err
    assert listed.json[0] | {"id": ""} == {
        "id": "",
        "email": "Ada@ours.example",
        "sender_name": None,
        "reply_to": None,
        "status": "active",
        "status_reason": None,
        "paused_seconds": None,
        "pace_seconds": None,
        "daily_limit": None,
        "ramp": None,
        "domain_cap": None,
        "sent_today": 0,
        "connected": True,
        "rest_reason": None,
        "mailbox": MailboxState().model_dump(),
        "pace_in_force": 0,
        "limit_in_force": 100_000,
    }
    credentials = store.read_credentials(UUID(listed.json[0]["id"]))
    assert credentials.refresh_token == SecretStr(TOKEN)


def test_adding_an_account_again_changes_what_is_given(outreach: Outreach) -> None:
    """The rest stays, the token too."""
    outreach(
        "accounts", "add", "ada@ours.example", "--refresh-token-stdin", "--sender-name", "Ada",
        "--pace", "3", stdin=TOKEN,
    )  # fmt: skip
    outreach("accounts", "add", "ada@ours.example", "--daily-limit", "50", "--reply-to", "b@c.de")

    (account,) = outreach("accounts", "list", "--json").json
    kept = ("sender_name", "pace_seconds", "daily_limit", "reply_to", "connected")
    assert [account[name] for name in kept] == ["Ada", 3, 50, "b@c.de", True]


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        (["ada"], "", "'ada' is not a mail address"),
        (["ada@ours.example", "--reply-to", "nobody"], "", "'nobody' is not a mail address"),
        (["ada@ours.example", "--sender-name", "A\nBcc: x@y.z"], "", "line break"),
        (["ada@ours.example", "--refresh-token-stdin"], " \n", "no refresh token on stdin"),
        (["ada@ours.example", "--refresh-token-stdin"], "one\ntwo", "is not a refresh token"),
    ],
)
def test_an_account_that_could_not_send_is_refused(
    outreach: Outreach, arguments: list[str], stdin: str, why: str
) -> None:
    """Before anything is stored."""
    assert why in one_sentence(outreach("accounts", "add", *arguments, stdin=stdin))
    assert outreach("accounts", "list", "--json").json == []


def test_an_account_is_removed_unless_leads_wait_for_it(outreach: Outreach, campaign: UUID) -> None:
    """Its campaign has to end first."""
    assert "2 pending lead(s)" in one_sentence(outreach("accounts", "remove", "ada@ours.example"))
    outreach("campaigns", "cancel", campaign)

    assert outreach("accounts", "remove", "ada@ours.example").status == 0
    assert outreach("accounts", "list", "--json").json == []


# --- leads ----------------------------------------------------------------------------------------


def test_lines_that_cannot_be_used_are_told_and_the_others_imported(
    outreach: Outreach, csv: Callable[[str], Path], db: psycopg.Connection
) -> None:
    """A byte order mark, a bad address, an address twice, a custom field."""
    file = csv("\ufeffEmail;City\nzoe@acme.example;Köln\nnobody;x\nZOE@acme.example;y\n")

    ran = outreach("leads", "import", file, "--tag", "t", "--json")

    assert ran.status == 0
    assert ran.json == {
        "added": 1,
        "updated": 0,
        "companies_added": 0,
        "text_changed": [],
        "kept_apart": [],
        "shared_domains": [],
        "erased": 0,
        "notes": [],
        "skipped": [
            {"line": 3, "email": "nobody", "reason": "this is not a mail address"},
            {
                "line": 4,
                "email": "ZOE@acme.example",
                "reason": "the address is already on line 2",
            },
        ],
    }
    assert db.execute("select email, tag, custom_fields from leads").fetchall() == [
        ("zoe@acme.example", "t", {"City": "Köln"})
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "The file is empty"),
        (b"email,name\n", "a header and no lead below it"),
        (b"name,company\nZoe,Acme\n", "no column email"),
        ("email,name\nzoe@acme.example,Zoë\n".encode("latin-1"), "--encoding cp1252"),
    ],
)
def test_a_file_without_usable_leads_is_refused(
    outreach: Outreach, csv: Callable[[bytes], Path], content: bytes, why: str
) -> None:
    """Nothing is imported, and the sentence says what to do."""
    ran = outreach("leads", "import", csv(content))

    assert ran.status == 1
    assert why in ran.err.splitlines()[-1]


def test_a_latin_1_file_is_imported_when_its_encoding_is_named(
    outreach: Outreach, csv: Callable[[bytes], Path], db: psycopg.Connection
) -> None:
    """Nobody's name is guessed."""
    file = csv("email,name\nzoe@acme.example,Zoë\n".encode("latin-1"))

    assert outreach("leads", "import", file, "--encoding", "cp1252").status == 0
    assert db.execute("select name from leads").fetchall() == [("Zoë",)]


def test_the_embedded_postgres_is_stopped_by_name(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else runs is not ours to end."""
    theirs = outreach("db", "stop")
    monkeypatch.delenv("DATABASE_URL")

    assert (theirs.status, "end it where it runs" in theirs.err) == (1, True)
    assert outreach("db", "stop") == Ran(0, "It was not running.\n", "")
    assert outreach("db", "stop", "--json").json == {"was_running": False}


def test_only_bad_lines_are_an_error(outreach: Outreach, csv: Callable[[str], Path]) -> None:
    """Each is told, and so is that nothing came of it."""
    ran = outreach("leads", "import", csv("email\nnobody\n"))

    assert (ran.status, ran.err.splitlines()) == (
        1,
        [
            "Line 2 (nobody) is left out: this is not a mail address.",
            "Error: No lead was imported: 1 line(s) could not be used; correct them.",
        ],
    )


def test_five_thousand_leads_are_imported_in_batches(
    outreach: Outreach, csv: Callable[[str], Path]
) -> None:
    """And again, without a second row for anybody."""
    rows = "".join(f"lead{n}@acme{n % 50}.example,Acme {n % 50}\n" for n in range(5_000))
    file = csv(f"email,company\n{rows}")

    first = outreach("leads", "import", file, "--json").json
    again = outreach("leads", "import", file, "--json").json

    keys = ("text_changed", "kept_apart", "shared_domains", "skipped", "notes")
    nothing: dict[str, Any] = {"erased": 0, **{key: [] for key in keys}}
    assert first == {"added": 5_000, "updated": 0, "companies_added": 50, **nothing}
    assert again == {"added": 0, "updated": 5_000, "companies_added": 0, **nothing}


CAME_BACK = (
    "replied_at", "bounced_at", "bounce", "bounce_status", "away_at", "back_on", "unsubscribed_at",
)  # fmt: skip
APOLLO = (
    "First Name,Last Name,Title,Company Name,Email,Website\n"
    "Mia,Roth,CTO,Sapphire,mia@sa.example,https://www.sa.example/team\n"
    "Tom,Berg,CEO,Opal,tom@gmail.com,gmail.com\n"
    "Zoe,Berg,CFO,Ruby,zoe@sa.example,sa.example\n"
    ",,,,nobody,\n"
)


def test_a_dry_run_shows_what_each_column_becomes_and_imports_nothing(
    outreach: Outreach, csv: Callable[[str], Path], db: psycopg.Connection
) -> None:
    """With the first rows, and what would be left out."""
    file = csv(APOLLO)

    shown = outreach("leads", "import", file, "--dry-run", "--map", "Title=rank")
    told = outreach("leads", "import", file, "--dry-run", "--json").json

    assert shown.status == 0
    lines = [line.split("\t") for line in shown.out.splitlines()]
    assert lines[1:5] == [
        ["1", "First Name", "the name, first part", "{{ First Name }}"],
        ["2", "Last Name", "the name, last part", "{{ Last Name }}"],
        ["3", "Title", "its own field", "{{ rank }}"],
        ["4", "Company Name", "company", ""],
    ]
    assert "name        Mia Roth" in shown.out
    assert "3 lead(s) to import, 1 to leave out." in shown.out
    assert "Nothing was imported: this was a dry run." in shown.err
    assert (told["leads"], told["rows"][0]["name"], told["columns"][2]) == (
        3, "Mia Roth", {"number": 3, "header": "Title", "field": "role", "custom_field": "Title"},
    )  # fmt: skip
    assert db.execute("select count(*) from leads").fetchone() == (0,)


def test_a_tools_file_is_imported_with_what_was_made_of_it(
    outreach: Outreach, csv: Callable[[str], Path], db: psycopg.Connection
) -> None:
    """Names, companies and domains; what was not folded is told."""
    ran = outreach("leads", "import", csv(APOLLO), "--tag", "t")

    assert ran.out == "3 lead(s) added, 0 updated, 1 left out.\n"
    assert "“First Name” is the name, first part" in ran.err
    assert "gmail.com is no company's domain" in ran.err
    assert (
        sum(" has the domain sa.example, which is that of " in x for x in ran.err.splitlines()) == 1
    )
    assert db.execute(
        "select l.name, l.role, c.name, c.domain from leads l join companies c on c.id = l.company_id"
        " order by l.name"
    ).fetchall() == [
        ("Mia Roth", "CTO", "Sapphire", "sa.example"),
        ("Tom Berg", "CEO", "Opal", None),
        ("Zoe Berg", "CFO", "Ruby", "sa.example"),
    ]


def test_empty_cells_empty_only_what_is_named(
    outreach: Outreach, csv: Callable[[str], Path], db: psycopg.Connection
) -> None:
    """The second file has no cities."""
    outreach("leads", "import", csv("email,name,city\na@x.example,A,Graz\n"))
    empty = csv("email,name,city\na@x.example,,\n")

    outreach("leads", "import", empty)
    kept = db.execute("select name, custom_fields from leads").fetchone()
    outreach("leads", "import", empty, "--clear", "city")
    emptied = db.execute("select name, custom_fields from leads").fetchone()

    assert (kept, emptied) == (("A", {"city": "Graz"}), ("A", {"city": ""}))


def test_each_lead_is_mailed_its_own_text_however_far_apart_the_rows_are(
    outreach: Outreach, csv: Callable[[str], Path], store: Store
) -> None:
    """Two rows of one company that no single call of the database sees; the rest share theirs."""
    others = "".join(f"lead{n}@x.example,X,A deck,Hi\n" for n in range(1_500))
    file = csv(
        "email,company,email_subject,email_template\n"
        f"mia@pl.example,Plane,Your talk,Hi Mia\n{others}tom@pl.example,Plane,Your post,Hi Tom\n"
    )
    outreach("accounts", "add", "ada@ours.example", "--refresh-token-stdin", stdin=f"{TOKEN}\n")
    outreach("leads", "import", file, "--tag", "t")
    made = outreach(
        "campaigns", "create", "--name", "N", "--tag", "t", "--account", "ada@ours.example"
    )

    texts = {
        mail.lead.email: (mail.company.email_subject, mail.company.email_template)
        for mail in store.list_mails(UUID(made.out.strip()))
    }

    assert texts["mia@pl.example"] == ("Your talk", "Hi Mia")
    assert texts["tom@pl.example"] == ("Your post", "Hi Tom")
    assert set(texts.values()) == {
        ("Your talk", "Hi Mia"),
        ("Your post", "Hi Tom"),
        ("A deck", "Hi"),
    }


def test_an_import_tells_whose_text_it_changes(
    outreach: Outreach, csv: Callable[[str], Path], campaign: UUID
) -> None:
    """The campaign is not ended, and its two leads have their company's text."""
    file = csv("email,company,email_subject\nzoe@acme.example,Acme,Another deck\n")

    ran = outreach("leads", "import", file)
    again = outreach("leads", "import", file, "--json").json

    assert ran.err == (
        "The campaign Spring (draft) has another text now for 2 lead(s) that it is yet to mail.\n"
    )
    assert (again["text_changed"], campaign) == ([], campaign)


def test_a_machines_own_time_zone_is_refused(outreach: Outreach, campaign: UUID) -> None:
    """The database decides, which may run elsewhere."""
    for zone in ("localtime", "right/Europe/Berlin", "Berlin"):
        ran = outreach(
            "campaigns", "create", "--name", "N", "--tag", "spring", "--account",
            "ada@ours.example", "--window", f"Mon-Fri 09:00-17:00 {zone}",
        )  # fmt: skip
        assert f"'{zone}' is no time zone" in one_sentence(ran)
    assert len(outreach("campaigns", "list", "--json").json) == 1, campaign


# --- campaigns ------------------------------------------------------------------------------------


def test_create_prints_the_id_alone_and_tells_who_was_left_out(
    outreach: Outreach,
    campaign: UUID,  # noqa: ARG001 - its leads and account
    db: psycopg.Connection,
) -> None:
    """Two rows of the web app may have one address."""
    db.execute("insert into leads (email, tag) values ('ZOE@acme.example', 'spring')")
    arguments = ["--name", "Two", "--tag", "spring", "--account", "ada@ours.example"]

    plain = outreach("campaigns", "create", *arguments)
    as_json = outreach("campaigns", "create", *arguments, "--json")

    assert plain.out == f"{UUID(plain.out.strip())}\n"
    assert plain.err.startswith("1 lead(s) left out, since another one has the same address: ")
    assert as_json.json == {**as_json.json, "leads": 2}
    assert list(as_json.json) == ["id", "leads", "skipped", "subject_variables"]


def test_a_window_a_time_and_an_attachment_are_recorded(
    outreach: Outreach,
    campaign: UUID,  # noqa: ARG001
    db: psycopg.Connection,
) -> None:
    """As the flow reads them; `none` is no attachment, whatever ATTACHMENT_PDF says."""
    made = outreach(
        "campaigns", "create", "--name", "Two", "--company", "acme", "--account",
        "ada@ours.example", "--at", "2126-12-01T09:00:00+01:00", "--attachment", "none",
        "--window", "Mon-Fri 09:00-17:00 Europe/Berlin",
    )  # fmt: skip

    columns = "scheduled_at, attachment, send_days, send_from::text, send_until::text, time_zone"
    row = db.execute(
        f"select {columns} from campaigns where id = %s",  # noqa: S608 - a constant
        [made.out.strip()],
    ).fetchone()
    assert row == (
        datetime.fromisoformat("2126-12-01T09:00:00+01:00"),
        "",
        [1, 2, 3, 4, 5],
        "09:00:00",
        "17:00:00",
        "Europe/Berlin",
    )


DAILY = ("--window", "Mon-Sun 00:00-24:00 UTC")


def test_days_off_are_those_of_a_file_and_of_a_place(
    outreach: Outreach,
    campaign: UUID,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    """Both together; `status` and `check` tell the next ones."""
    dates = tmp_path / "off.txt"
    dates.write_text("2126-01-02  # the office is closed\n")
    made = outreach(
        "campaigns", "create", "--name", "Two", "--company", "acme", "--account", "ada@ours.example",
        "--window", "Mon-Fri 09:00-17:00 Europe/Berlin", "--skip-dates", f"{dates}",
        "--holidays", "DE-BY",
    )  # fmt: skip

    two = made.out.strip()
    status, check = (
        outreach("campaigns", word, two, "--json").json for word in ("status", "check")
    )
    assert status["skip_dates"] == check["skip_dates"]
    assert "2126-01-02" in status["skip_dates"]
    assert len(status["skip_dates"]) > 30
    assert "days off" in outreach("campaigns", "status", two).out
    assert "Days off: " in outreach("campaigns", "check", two).out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--at", "2126-12-01T09:00:00"], "write --at 2126-12-01T09:00:00+"),
        (["--at", "tomorrow"], "'tomorrow' is not a time"),
        (["--window", "always"], "days, hours and a time zone"),
        (["--attachment", "../etc/passwd"], "cannot be read"),
        (["--attachment", "other.pdf"], "No such file"),
        (["--account", "eve@ours.example"], "There is no account eve@ours.example"),
        (["--name", " "], "needs a name"),
        (["--holidays", "DE-BY"], "Days off need a window: its time zone says when a day begins"),
        ([*DAILY, "--holidays", "Bavaria"], "No public holidays are known of 'Bavaria'"),
        ([*DAILY, "--skip-dates", "none.txt"], "none.txt cannot be read"),
    ],
)
def test_a_campaign_that_could_not_be_sent_is_refused(
    outreach: Outreach,
    campaign: UUID,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    why: str,
) -> None:
    """And leaves nothing behind."""
    monkeypatch.setenv("TZ", "UTC")
    usual = ["--name", "Two", "--tag", "spring", "--account", "ada@ours.example"]

    refused = one_sentence(outreach("campaigns", "create", *usual, *arguments))

    assert why in refused
    assert [c["id"] for c in outreach("campaigns", "list", "--json").json] == [str(campaign)]


def test_a_time_that_is_past_means_now(outreach: Outreach, campaign: UUID) -> None:  # noqa: ARG001
    """It is told, on stderr."""
    ran = outreach(
        "campaigns", "create", "--name", "Two", "--tag", "spring", "--account",
        "ada@ours.example", "--at", "2020-01-01T00:00:00Z",
    )  # fmt: skip

    assert ran.status == 0
    assert "is past: the campaign begins as soon as it is started" in ran.err


def test_lists_through_a_pipe_are_lines_with_tabs(outreach: Outreach, campaign: UUID) -> None:
    """Whole cells, no frame, no colour."""
    listed = outreach("campaigns", "list").out.splitlines()
    leads = outreach("campaigns", "leads", campaign).out.splitlines()

    assert listed[1].split("\t")[:4] == [str(campaign), "Spring", "draft", "0/2"]
    assert sorted(line.split("\t")[0] for line in leads[1:]) == [
        "bob@acme.example",
        "zoe@acme.example",
    ]


def test_watch_tells_each_change_until_the_campaign_ends(
    outreach: Outreach, campaign: UUID, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a pipe a line each; nothing while nothing changes."""
    events = iter([lambda: None, lambda: store.cancel_campaign(campaign)])
    monkeypatch.setattr(watching.time, "sleep", lambda _: next(events)())

    ran = outreach("campaigns", "status", campaign, "--watch")

    assert ran.out.splitlines() == [
        "draft: 2 pending, 0 sent, 0 failed, 0 cancelled",
        "cancelled: 0 pending, 0 sent, 0 failed, 2 cancelled",
    ]


# --- mails in doubt -------------------------------------------------------------------------------


@pytest.fixture
def in_doubt(outreach: Outreach, campaign: UUID, store: Store, db: psycopg.Connection) -> UUID:  # noqa: ARG001
    """The campaign, dead in the middle of its first mail a day ago; its other lead was refused."""
    run = uuid4()
    store.start_campaign(campaign)
    store.begin_run(campaign, run, 60)
    first, second = store.claim_leads(uuid4(), campaign, run, 10).claims
    store.begin_attempt(uuid4(), first, run, f"o{uuid4().hex}", None, None)
    store.fail_lead(second, "refused")
    store.finish_run(campaign, run, None, None)
    db.execute("update send_attempts set started_at = started_at - interval '25 hours'")
    return campaign


@pytest.fixture
def unclear(outreach: Outreach, in_doubt: UUID, db: psycopg.Connection) -> UUID:
    """The same, settled as unclear, and the campaign ended with that."""
    settled = outreach("campaigns", "settle", in_doubt, "--json").json
    assert [row["outcome"] for row in settled] == ["unclear"]
    db.execute("select end_campaign(%s, now())", [in_doubt])
    return in_doubt


def lead_in_doubt(db: psycopg.Connection) -> tuple[UUID, str]:
    row = db.execute(
        "select s.campaign_lead_id, s.address from send_attempts s order by s.started_at limit 1"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_settle_tells_what_became_of_each_mail(outreach: Outreach, in_doubt: UUID) -> None:
    """By the id that `resolve` takes; the second time nothing is in doubt."""
    ran = outreach("campaigns", "settle", in_doubt)

    assert ran.status == 0
    assert ran.out.splitlines()[1].split("\t")[1:] == [
        "unclear",
        "neither its draft nor the mail was found",
    ]
    assert "1 may have been sent" in ran.err
    assert outreach("campaigns", "settle", in_doubt, "--json").json == []


def test_a_mail_that_is_too_young_to_be_settled_stays_open(
    outreach: Outreach, in_doubt: UUID, db: psycopg.Connection
) -> None:
    """Its sender may still be at it."""
    db.execute("update send_attempts set started_at = now()")

    (row,) = outreach("campaigns", "settle", in_doubt, "--json").json

    assert (row["outcome"], row["reason"]) == ("open", "it may still be on its way")


def test_a_lead_resolved_as_sent_completes_its_campaign(
    outreach: Outreach, unclear: UUID, db: psycopg.Connection
) -> None:
    """Named by its address; sent when its attempt began; said twice it is the same."""
    assert outreach("campaigns", "status", unclear, "--json").json["error"] == (
        "No delivery could be confirmed"
    )
    _, address = lead_in_doubt(db)
    arguments = ["campaigns", "resolve", address.upper(), "--campaign", str(unclear), "--sent"]

    ran, again = outreach(*arguments), outreach(*arguments)

    assert ran == again == Ran(0, "The lead is sent, its campaign completed.\n", "")
    row = db.execute(
        "select cl.status, cl.sent_at = s.started_at, cl.error, s.outcome, c.error"
        " from campaign_leads cl join send_attempts s on s.campaign_lead_id = cl.id"
        " join campaigns c on c.id = cl.campaign_id"
    ).fetchone()
    assert row == ("sent", True, None, "sent", None)


def test_a_lead_resolved_as_not_sent_is_mailed_again(
    outreach: Outreach, unclear: UUID, db: psycopg.Connection, store: Store
) -> None:
    """Named by its id. The campaign goes on, and its next run may claim and begin the lead."""
    lead, address = lead_in_doubt(db)

    ran = outreach("campaigns", "resolve", lead, "--not-sent", "--json")

    assert ran.json == {
        "answer": "resolved",
        "lead": str(lead),
        "lead_status": "pending",
        "campaign": str(unclear),
        "campaign_status": "running",
    }
    run = uuid4()
    assert store.begin_run(unclear, run, 60).answer == "begun"
    (claim,) = store.claim_leads(uuid4(), unclear, run, 10).claims
    assert (claim.id, claim.lead.email, claim.draft) == (lead, address, None)
    assert store.begin_attempt(uuid4(), claim, run, "o1", None, None).answer == "go"


def test_a_lead_resolved_as_not_sent_stays_cancelled_with_its_campaign(
    outreach: Outreach, unclear: UUID, db: psycopg.Connection
) -> None:
    """Nothing leaves `cancelled`."""
    db.execute("update campaigns set status = 'cancelled'")
    lead, _ = lead_in_doubt(db)

    ran = outreach("campaigns", "resolve", lead, "--not-sent")

    assert ran.out == "The lead is cancelled, its campaign cancelled.\n"
    assert outreach("campaigns", "status", unclear, "--json").json["leads"]["cancelled"] == 1


def test_a_lead_that_is_not_in_doubt_cannot_be_resolved(outreach: Outreach, campaign: UUID) -> None:
    """Nor one that does not exist, nor an address without its campaign."""
    named = ["--campaign", str(campaign), "--sent"]

    assert "is pending and not in doubt" in one_sentence(
        outreach("campaigns", "resolve", "zoe@acme.example", *named)
    )
    assert "has no lead eve@acme.example" in one_sentence(
        outreach("campaigns", "resolve", "eve@acme.example", *named)
    )
    assert "There is no lead" in one_sentence(outreach("campaigns", "resolve", UNKNOWN, "--sent"))
    assert "--campaign" in one_sentence(
        outreach("campaigns", "resolve", "zoe@acme.example", "--sent")
    )
    assert "'zoe' is no lead" in one_sentence(outreach("campaigns", "resolve", "zoe", "--sent"))
    assert outreach("campaigns", "resolve", UNKNOWN).status == 2


def test_a_module_that_ends_the_process_is_told(
    outreach: Outreach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a foreign `tasks.py` in the current folder may; else it would look like success."""

    def ended(*_: object) -> NoReturn:
        raise SystemExit("The module needs Python 2.")

    monkeypatch.setattr("typer.main.get_command", ended)
    assert outreach("accounts", "list") == Ran(1, "", "Error: The module needs Python 2.\n")


# --- as a process ---------------------------------------------------------------------------------


def test_help_needs_neither_prefect_nor_a_client() -> None:
    """What takes a second to import is imported by who needs it."""
    code = (
        "import sys; from outreach.cli.app import run; status = run(['campaigns', '--help']);"
        "heavy = {'prefect', 'supabase', 'googleapiclient', 'httpx', 'psycopg', 'rich.table'};"
        "sys.exit(f'{status} {heavy & set(sys.modules)}')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == "0 set()"


def test_who_stops_reading_stops_the_command_without_a_word(
    environment: dict[str, str], campaign: UUID, tmp_path: Path
) -> None:
    """`outreach campaigns leads ID | head -1` shows no traceback."""
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [sys.executable, "-m", "outreach.cli", "campaigns", "leads", str(campaign)],
        env={**os.environ, **environment},
        cwd=tmp_path,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (1, "")

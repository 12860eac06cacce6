"""Before a campaign starts: check, preview and test-send, as people and scripts run them."""
# ruff: noqa: F811 - fixtures are imported, and are arguments of the same name

import email
import json
import stat
from collections.abc import Callable
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client

from flows.send_campaign import send_campaign
from outreach import wiring
from outreach.preflight.runner import Inspecting
from outreach.settings import Settings
from outreach.store.store import Store
from tests.dns_server import serve_dns
from tests.flows.conftest import PDF
from tests.flows.test_cli import (  # noqa: F401 - what pytest finds here
    Outreach,
    campaign,
    csv,
    environment,
    one_sentence,
    outreach,
    store,
)

ADA = "ada@ours.example"
QUIET = ("--no-list-unsubscribe",)
"""No web app is there that unsubscribes."""


def everything(db: psycopg.Connection) -> list[Any]:
    """Every row that a campaign has, to see that nothing of it was changed."""
    tables = ("campaigns", "campaign_leads", "leads", "accounts", "send_attempts")
    return [
        db.execute(f"select to_jsonb(x) from {table} x order by to_jsonb(x)").fetchall()  # noqa: S608
        for table in tables
    ]


def mails(gmail: httpx.Client) -> list[Any]:
    """What Gmail was given to send, parsed by the library."""
    found = gmail.get("/sandbox/mails").json()
    raws = [gmail.get(f"/sandbox/mails/{mail['id']}/raw").content for mail in found]
    return [email.message_from_bytes(raw, policy=default) for raw in raws]


def found(ran: Any) -> set[tuple[str, str, int]]:
    return {(f["severity"], f["check"], f["count"]) for f in ran.json["findings"]}


# --- check ----------------------------------------------------------------------------------------


def test_a_campaign_that_is_well_passes_and_is_told_when_it_ends(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
) -> None:
    """One screen for people, all of it for scripts; and nothing is changed."""
    db.execute("update accounts set pace_seconds = 600")
    before = everything(db)

    shown = outreach("campaigns", "check", campaign)
    checked = outreach("campaigns", "check", campaign, "--json")

    assert (shown.status, shown.err) == (0, "")
    first, when, last = shown.out.splitlines()
    assert first == "Spring: 2 leads to mail from 1 account"
    assert when.startswith("About 10 min, done ")
    assert when.endswith(" if started now.")
    assert last == "Nothing is wrong."
    assert checked.status == 0
    assert checked.json | {"done_at": ""} == {
        "id": str(campaign),
        "name": "Spring",
        "status": "draft",
        "pending": 2,
        "looked_at": 2,
        "accounts": 1,
        "starts_in_seconds": 0,
        "seconds": 600,
        "done_at": "",
        "skip_dates": [],
        "errors": 0,
        "warnings": 0,
        "findings": [],
        "notes": [],
        "recipient_domains": {"looked_up": 0, "unknown": 0, "leads_left": 0},
        "steps": [],
        "chain_seconds": None,
        "chain_done_at": None,
    }
    assert everything(db) == before


def test_domains_that_receivers_refuse_are_told(
    outreach: Outreach, campaign: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As warnings, of accounts and of leads; what DNS does not tell is a note, also when strict."""
    monkeypatch.setenv("DOMAIN_CHECKS", "1")
    with serve_dns() as dns, serve_dns() as broken:
        dns.add("acme.example", "MX", "0 .")
        dns.text("_dmarc.ours.example", "v=DMARC1; p=none")
        broken.fault("*", "SERVFAIL")
        monkeypatch.setenv("DNS_SERVERS", dns.address)
        shown = outreach("campaigns", "check", campaign)
        monkeypatch.setenv("DNS_SERVERS", broken.address)
        strict = outreach("campaigns", "check", campaign, "--strict", "--json")

    assert shown.status == 0
    assert "warn   ours.example has no SPF record (ada@ours.example: 2 leads)\n" in shown.out
    assert "warn   The domain of the address takes no mail (null MX) (2 leads: " in shown.out
    assert "\nnote   The DMARC policy of ours.example is none: " in shown.out
    assert (strict.status, strict.json["findings"]) == (0, [])
    assert strict.json["notes"] == [
        "DNS does not tell of ours.example: SPF, DMARC, DKIM",
        "DNS does not tell of 1 of 1 recipients' domains whether they take mail",
    ]


def test_what_is_wrong_is_told_with_whom_it_concerns(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
) -> None:
    """Errors are status 1; each finding has a count, examples and what to do."""
    db.execute("update companies set email_template = 'Hi {{ nmae }}'")
    db.execute("update leads set email = 'info@acme.example' where name = 'Bob'")

    shown = outreach("campaigns", "check", campaign)
    checked = outreach("campaigns", "check", campaign, "--json")

    assert (shown.status, checked.status) == (1, 1)
    assert found(checked) == {("error", "placeholders", 2), ("warning", "address", 1)}
    placeholder = checked.json["findings"][0]
    assert placeholder["what"] == "The template has {{ nmae }}, which the lead does not have"
    assert placeholder["company"] == "Acme"
    assert sorted(placeholder["examples"]) == ["info@acme.example", "zoe@acme.example"]
    assert shown.out.splitlines()[1].startswith(
        "error  The template has {{ nmae }}, which the lead does not have: Acme (2 leads: "
    )
    assert shown.out.splitlines()[-1] == "1 error and 1 warning."


def test_warnings_block_only_when_they_are_asked_to(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
) -> None:
    """A name that is empty where the template shows it."""
    db.execute("update leads set name = null where name = 'Bob'")

    assert outreach("campaigns", "check", campaign).status == 0
    assert outreach("campaigns", "check", campaign, "--strict").status == 1


def test_who_was_mailed_lately_is_told_within_the_cooldown(
    outreach: Outreach,
    campaign: UUID,
    store: Store,
    db: psycopg.Connection,
) -> None:
    """30 days unless told."""
    other = uuid4()
    store.create_campaign(other, "Winter", [ADA], tag="spring")
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = now() - interval '10 days'"
        " where campaign_id = %s",
        (other,),
    )

    def told(*options: object) -> set[tuple[str, str, int]]:
        return found(outreach("campaigns", "check", campaign, "--json", *options))

    assert told() == {("warning", "cooldown", 2)}
    assert told("--cooldown", 7) == told("--cooldown", 0) == set()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("sandbox:ada@ours.example:readonly", ["error"]),
        ("sandbox:ada@ours.example:send", ["warning", "warning"]),
        ("sandbox:ada@ours.example:compose", ["warning"]),
        (None, ["error"]),
    ],
)
def test_how_its_accounts_stand_is_asked_of_google(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
    token: str | None,
    expected: list[str],
) -> None:
    """Not allowed to send; to send but neither to draft nor to read, or not to read; not connected."""
    db.execute("update accounts set refresh_token = %s", (token,))
    findings = outreach("campaigns", "check", campaign, "--json").json["findings"]
    assert [(one["severity"], one["check"], one["count"]) for one in findings] == [
        (severity, "account", 2) for severity in expected
    ]


def test_without_google_or_the_attachment_it_still_tells_the_rest(
    outreach: Outreach,
    campaign: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Being offline is a warning; a file that is not there would stop the run."""
    monkeypatch.setenv("GOOGLE_TOKEN_URL", "http://127.0.0.1:9/token")
    monkeypatch.setenv("ATTACHMENT_PDF", "nowhere.pdf")
    checked = outreach("campaigns", "check", campaign, "--json")
    assert found(checked) == {("warning", "account", 2), ("error", "attachment", 2)}


@pytest.mark.parametrize("command", ["check", "preview"])
def test_a_campaign_that_does_not_exist_is_one_sentence(
    outreach: Outreach,
    command: str,
) -> None:
    """As of every command."""
    assert one_sentence(outreach("campaigns", command, uuid4())).startswith("There is no campaign")


CASES = Path(__file__).parents[1] / "cases"


def every(told: str, companies: str) -> dict[str, set[str]]:
    return {company: {told} for company in companies.split()}


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("01-subject", {"Dogwood": {"warning placeholders"}, "Elm": {"warning template"}}),
        ("01b-subject", {
            **every("error placeholders", "Jade Jasper"), **every("error template", "Jetty Jupiter"),
        }),
        ("02-links", {"Ivy": {"warning links"}}),
        ("03-tags", {
            **every("warning placeholders", "Juniper Larch Maple Neem Oak Rowan Spruce Vine Wattle"),
            **every("error template", "Kapok Pine Quince Teak"),
            **every("error placeholders", "Upas"),
        }),
        ("04-paste", {
            **every("error template", "Aspen Date Fig Gum Holly Iroko Jarrah Kauri Lime"),
            **every("warning placeholders", "Beech Mango"),
            **every("error placeholders", "Clove Nut"),
        }),
        ("15-nulls", {"Nullix": {"warning values", "error placeholders"}}),
        ("16-entities", {
            "Marks &amp; Spencer": {"warning values"}, "B&amp;Q": {"warning values"},
        }),
        ("22-multiline", {"Vortex": {"warning values"}, "Visor": {"warning links"}}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_files_that_people_have_is_found(
    outreach: Outreach, file: str, wrong: dict[str, set[str]]
) -> None:
    """Of each company what it is, and of the others nothing."""
    outreach("accounts", "add", ADA, "--refresh-token-stdin", stdin=f"sandbox:{ADA}:modify\n")
    assert outreach("leads", "import", CASES / f"{file}.csv", "--tag", "x").status == 0
    made = outreach("campaigns", "create", "--name", "X", "--tag", "x", "--account", ADA, *QUIET)

    checked = outreach("campaigns", "check", made.out.strip(), "--json")

    told: dict[str, set[str]] = {}
    for one in checked.json["findings"]:
        told.setdefault(one["company"], set()).add(f"{one['severity']} {one['check']}")
    assert told == wrong


# --- subjects with placeholders -------------------------------------------------------------------


def with_subject(outreach: Outreach, csv: Callable[[str], Path], *options: str) -> Any:
    """A campaign of one lead, whose subject has a placeholder."""
    outreach("accounts", "add", ADA, "--refresh-token-stdin", stdin=f"sandbox:{ADA}:modify\n")
    file = csv(
        "email,name,company,email_subject,email_template\n"
        'zoe@acme.example,Zoë & Co,Acme,"{{ name }}, a <deck>",Hello {{ name }}\n'
    )
    outreach("leads", "import", file, "--tag", "x")
    return outreach(
        "campaigns", "create", "--name", "X", "--tag", "x", "--account", ADA, *QUIET, *options
    )


def test_a_subject_with_a_placeholder_is_filled_and_that_is_told(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    csv: Callable[[str], Path],
    gmail: httpx.Client,
) -> None:
    """As text, in the mail and in a test of it."""
    made = with_subject(outreach, csv)
    campaign = made.out.strip()
    checked = outreach("campaigns", "check", campaign)
    tested = outreach("campaigns", "test-send", campaign, "--to", "me@ours.example")
    sent = outreach("campaigns", "start", campaign, "--local")

    assert made.err == (
        "A subject has a placeholder, so the subjects are filled for each lead; "
        "--no-subject-variables sends them as they stand.\n"
    )
    assert checked.out.splitlines()[-1] == "Nothing is wrong."
    assert (tested.status, sent.out) == (0, "1/1 sent\n")
    assert sorted(str(mail["Subject"]) for mail in mails(gmail)) == [
        "Zoë & Co, a <deck>",
        "[Test] Zoë & Co, a <deck>",
    ]


def test_a_placeholder_in_a_subject_that_is_not_filled_keeps_it_a_draft(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    csv: Callable[[str], Path],
    settings: Settings,
    db: psycopg.Connection,
    gmail: httpx.Client,
) -> None:
    """A run that a row has started sends it as it stands, as the sender before us did, and tells."""
    made = with_subject(outreach, csv, "--no-subject-variables")
    campaign = UUID(made.out.strip())
    refused = outreach("campaigns", "start", campaign, "--local")
    assert (made.err, refused.status) == ("", 1)
    what = "The email subject has {{ name }}, which this campaign sends as it stands"
    assert f"error  {what}: Acme (1 lead: zoe@acme.example)" in refused.err

    db.execute("update campaigns set status = 'running'")
    with wiring.using(settings):
        state = send_campaign(campaign, return_state=True)

    assert state.message == "1/1 sent"
    assert [str(mail["Subject"]) for mail in mails(gmail)] == ["{{ name }}, a <deck>"]
    with get_client(sync_client=True) as client:
        answer = client._client.post("/artifacts/filter", json={"limit": 200})
    run = str(state.state_details.flow_run_id)
    (data,) = [
        artifact["data"]
        for artifact in answer.json()
        if artifact["key"] == "campaign-check" and artifact["flow_run_id"] == run
    ]
    assert [(row["severity"], row["what"]) for row in json.loads(data)] == [("error", what)]


def test_braces_left_in_a_mail_fail_its_lead_alone(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    campaign: UUID,
    store: Store,
    db: psycopg.Connection,
) -> None:
    """In the run as in the check: of Bob the list says what some tool calls him."""
    db.execute("update leads set name = '{{first_name}}' where name = 'Bob'")

    checked = outreach("campaigns", "check", campaign, "--json")
    sent = outreach("campaigns", "start", campaign, "--local", "--force")

    assert found(checked) == {("error", "placeholders", 1)}
    assert sent.out == "1/2 sent\n"
    (failed,) = store.list_campaign_leads(campaign, "failed")
    assert failed.error == (
        "The email template of Acme leaves “{{first_name}}” in this lead's mail; "
        "correct the template, then run `outreach campaigns retry-failed`."
    )


# --- at every start ---------------------------------------------------------------------------------


def test_an_error_keeps_it_a_draft_unless_somebody_insists(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
    gmail: httpx.Client,
) -> None:
    """With --force the leads that can be mailed are, and the other fails by itself."""
    db.execute("update leads set email = 'nobody' where name = 'Bob'")
    before = everything(db)

    refused = outreach("campaigns", "start", campaign, "--local")
    untouched = everything(db)
    forced = outreach("campaigns", "start", campaign, "--local", "--force", "--json")

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines()[-1] == (
        "Error: Nothing was started, since the check found 1 error; "
        "mend that, or start all the same with --force."
    )
    assert "error  This is not an address that Gmail takes" in refused.err
    assert untouched == before
    assert (forced.status, forced.json["status"]) == (0, "completed")
    assert [str(mail["To"]) for mail in mails(gmail)] == ["Zoë <zoe@acme.example>"]


def test_a_start_elsewhere_is_not_stopped_by_what_this_machine_lacks(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    campaign: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The attachment lies on the worker; warnings alone stop it with --strict."""
    monkeypatch.setenv("ATTACHMENT_PDF", "nowhere.pdf")
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("send-campaign")
        deployment = client.create_deployment(flow, "send-campaign")

        strict = outreach("campaigns", "start", campaign, "--strict")
        started = outreach("campaigns", "start", campaign, "--json")

        client.delete_deployment(deployment)
    assert strict.status == 1
    assert "warn   On this machine: The attachment 'nowhere.pdf' cannot be read" in started.err
    assert (started.status, started.json["status"]) == (0, "running")


def test_the_flow_tells_its_findings_and_goes_on(
    prefect_api: str,  # noqa: ARG001
    campaign: UUID,
    settings: Settings,
    db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an artifact of its run, whoever started it, with nobody's whole address."""
    monkeypatch.setattr("tasks.checks.SECONDS", 60.0)
    db.execute("update leads set email = 'sales@acme.example' where name = 'Bob'")
    db.execute("update companies set name = 'ben@acme.example'")
    db.execute("update leads set name = null where name = 'Zoë'")
    db.execute("update campaigns set status = 'running'")

    with serve_dns() as dns:
        dns.text("ours.example", "v=spf1 include:_spf.google.com ~all")
        asks = {"domain_checks": True, "dns_servers": dns.address}
        with wiring.using(settings.model_copy(update=asks)):
            state = send_campaign(campaign, return_state=True)

    assert state.message == "2/2 sent"
    with get_client(sync_client=True) as client:
        answer = client._client.post("/artifacts/filter", json={"limit": 200})
    (data,) = [
        artifact["data"]
        for artifact in answer.json()
        if artifact["key"] == "campaign-check"
        and artifact["flow_run_id"] == str(state.state_details.flow_run_id)
    ]
    told = {
        (row["severity"], row["company"], ", ".join(sorted(row["such as"].split(", "))))
        for row in json.loads(data)
    }
    assert told == {
        ("warning", "", "s…@acme.example"),
        ("warning", "b…@acme.example", "z…@acme.example"),
        ("warning", "", "a…@ours.example"),  # its domain has no DMARC record
        ("warning", "", "s…@acme.example, z…@acme.example"),  # DNS does not know theirs
    }


def test_the_flow_waits_for_no_check_that_takes_long(
    prefect_api: str,  # noqa: ARG001
    campaign: UUID,
    settings: Settings,
    db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the database takes, or a template: the log says that nothing was looked at."""
    db.execute("update campaigns set status = 'running'")
    monkeypatch.setattr("tasks.checks.SECONDS", 0.0)

    with wiring.using(settings):
        state = send_campaign(campaign, return_state=True)

    assert state.message == "2/2 sent"


def test_a_check_that_has_to_end_says_what_it_has_not_looked_at(
    campaign: UUID, settings: Settings
) -> None:
    """The moment is over before it begins: no lead, and no account's answer."""
    with wiring.using(settings) as services:
        report = Inspecting(services.store, services.mailer, services.settings).inspect(
            campaign, until=0.0
        )

    assert (report.pending, report.looked_at) == (2, 0)
    assert [one.message for one in report.findings] == [
        "Whether it can send was not found out: Google has not answered in time"
    ]


# --- preview as files -------------------------------------------------------------------------------


def test_a_preview_is_written_as_the_very_mails(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
    tmp_path: Path,
) -> None:
    """An .eml and an .html each, an index; no pixel, nothing that runs, and no row is changed."""
    db.execute(
        "update companies set email_template ="
        " '<!DOCTYPE html><html><body><p>Hi {{ name }}</p><script>x</script></body></html>'"
    )
    before = everything(db)

    ran = outreach("campaigns", "preview", campaign, "--out", "seen", "--json")

    folder = tmp_path / "seen"
    assert ran.json == {
        "id": str(campaign), "folder": "seen", "leads": 2, "mails": 2, "problems": 0,
    }  # fmt: skip
    assert {one.name for one in folder.iterdir()} == {
        "0001.eml", "0001.html", "0002.eml", "0002.html", "index.html", "style.css", ".outreach-preview",
    }  # fmt: skip
    # Leads' addresses and texts: for who asked for them alone.
    assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.iterdir())} == {
        0o700, 0o600,
    }  # fmt: skip
    parsed = [
        email.message_from_bytes((folder / f"000{n}.eml").read_bytes(), policy=default)
        for n in (1, 2)
    ]
    assert {str(mail["To"]) for mail in parsed} == {
        "Zoë <zoe@acme.example>", "Bob <bob@acme.example>",
    }  # fmt: skip
    assert all(mail["Subject"] == "A deck" for mail in parsed)
    (attachment,) = parsed[0].iter_attachments()
    assert attachment.get_content() == PDF
    assert not any(b"track/open" in one.read_bytes() for one in folder.iterdir())
    html = (folder / "0001.html").read_text()
    assert html.startswith(
        '<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="default-src \'none\''
    )
    assert everything(db) == before


def test_a_folder_of_other_files_is_left_alone_and_a_preview_is_replaced(
    outreach: Outreach,
    campaign: UUID,
    tmp_path: Path,
) -> None:
    """Nor is a preview to which somebody added a file of their own."""
    mine, seen = tmp_path / "mine", tmp_path / "seen"
    mine.mkdir()
    (mine / "index.html").write_text("mine")

    refused = one_sentence(outreach("campaigns", "preview", campaign, "--out", mine))
    assert outreach("campaigns", "preview", campaign, "--out", seen).status == 0
    again = outreach("campaigns", "preview", campaign, "--out", seen, "--limit", 1)
    (seen / "notes.txt").write_text("mine")
    added = one_sentence(outreach("campaigns", "preview", campaign, "--out", seen))

    assert "holds other files" in refused
    assert (mine / "index.html").read_text() == "mine"
    assert again.status == 0
    assert {one.name for one in seen.glob("*.eml")} == {"0001.eml"}
    assert "holds other files" in added


def test_a_preview_shows_one_lead_or_those_of_an_ended_campaign(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
    tmp_path: Path,
) -> None:
    """Pending ones first; where there are none, all of them."""

    def to(*options: object) -> set[str]:
        assert outreach("campaigns", "preview", campaign, "--out", "seen", *options).status == 0
        raws = [one.read_bytes() for one in (tmp_path / "seen").glob("*.eml")]
        return {str(email.message_from_bytes(raw, policy=default)["To"]) for raw in raws}

    zoe, bob = "Zoë <zoe@acme.example>", "Bob <bob@acme.example>"
    assert to("--lead", "bob@acme.example") == {bob}
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = now()"
        " where lead_id = (select id from leads where name = 'Bob')"
    )
    assert to() == {zoe}
    db.execute("update campaign_leads set status = 'cancelled' where status = 'pending'")
    assert to() == {zoe, bob}


# --- test-send --------------------------------------------------------------------------------------


def test_a_test_goes_to_oneself_and_leaves_no_trace_at_the_lead(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
    gmail: httpx.Client,
) -> None:
    """Marked in its subject and its header, without the pixel; the rows stay as they are."""
    before = everything(db)

    ran = outreach(
        "campaigns", "test-send", campaign, "--to", "me@mine.example", "--lead", "ZOE@acme.example"
    )

    assert ran.out == (
        "Sent to me@mine.example as a test, from ada@ours.example: the mail of zoe@acme.example.\n"
    )
    (mail,) = mails(gmail)
    assert (mail["To"], mail["Subject"], mail["X-Outreach-Test"]) == (
        "me@mine.example", "[Test] A deck", "yes",
    )  # fmt: skip
    html = mail.get_body(("html",)).get_content()
    assert "Hello Zoë" in html
    assert "<img" not in html
    assert everything(db) == before
    assert gmail.get("/sandbox/drafts").json() == []


def test_a_test_may_be_sent_from_another_account(
    outreach: Outreach,
    campaign: UUID,
    gmail: httpx.Client,
) -> None:
    """The first pending lead's mail, unless told; direct where drafts are not granted."""
    outreach(
        "accounts", "add", "ben@ours.example", "--refresh-token-stdin",
        stdin="sandbox:ben@ours.example:send\n",
    )  # fmt: skip
    ran = outreach(
        "campaigns", "test-send", campaign, "--to", "me@mine.example", "--account",
        "BEN@ours.example", "--json",
    )  # fmt: skip
    (sent,) = gmail.get("/sandbox/mails").json()
    assert ran.json | {"lead": ""} == {
        "to": "me@mine.example", "lead": "", "account": "ben@ours.example",
        "in_thread": False, "message_id": sent["id"], "thread_id": sent["thread_id"], "received": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--to", "me"], "'me' is not a mail address"),
        (["--to", "Bob@acme.example"], "is a lead of this campaign"),
        (["--to", "me@mine.example", "--lead", "x@acme.example"], "has no lead x@acme.example"),
        (["--to", "me@mine.example", "--lead", "bob"], "'bob' is no lead"),
        (["--to", "me@mine.example", "--account", "x@y.example"], "There is no account"),
    ],
)
def test_a_test_that_cannot_be_is_refused(
    outreach: Outreach,
    campaign: UUID,
    gmail: httpx.Client,
    options: list[str],
    why: str,
) -> None:
    """In one sentence; a lead is never mailed by it."""
    assert why in one_sentence(outreach("campaigns", "test-send", campaign, *options))
    assert gmail.get("/sandbox/mails").json() == []


def test_a_test_needs_a_mail_that_can_be_made_and_an_account_that_can_send(
    outreach: Outreach,
    campaign: UUID,
    db: psycopg.Connection,
) -> None:
    """The reason is the lead's or the account's own."""
    command = ("campaigns", "test-send", campaign, "--to", "me@mine.example")
    db.execute("update companies set email_template = 'Hi {{ nmae }}'")
    template = one_sentence(outreach(*command))
    db.execute("update accounts set status = 'unusable', status_reason = 'It was revoked'")
    account = one_sentence(outreach(*command))
    assert "{{ nmae }}" in template
    assert template.endswith("; mend that, then test again.")
    assert account == "ada@ours.example cannot send: It was revoked"


def test_an_answer_that_is_lost_is_not_posted_again(
    outreach: Outreach,
    campaign: UUID,
    gmail: httpx.Client,
    fault: Callable[..., None],
) -> None:
    """Nobody knows whether it left, and that is what is said."""
    fault()
    told = one_sentence(outreach("campaigns", "test-send", campaign, "--to", "me@mine.example"))
    assert told.startswith("Gmail's answer was lost, so the test may have been sent;")
    assert len(gmail.get("/sandbox/mails").json()) == 1


# --- its proof --------------------------------------------------------------------------------------


BEN = "ben@ours.example"


def connect_ben(outreach: Outreach, scopes: str) -> None:
    """Another account of ours, whose mailbox exists from its first token on."""
    outreach(
        "accounts", "add", BEN, "--refresh-token-stdin", stdin=f"sandbox:{BEN}:{scopes}\n"
    )  # fmt: skip
    outreach("doctor")


def test_a_test_to_another_account_of_ours_proves_how_receivers_see_it(
    outreach: Outreach, campaign: UUID, gmail: httpx.Client
) -> None:
    """Google's verdict on the mail that arrived, also with a tag in the address."""
    connect_ben(outreach, "modify")
    command = ("campaigns", "test-send", campaign, "--to", "Ben+test@ours.example", "--wait", "0")
    googles = "Google signed it with a domain of its own; switch DKIM on for ours.example in Google's admin console."
    told = {
        "pass": "SPF pass, DKIM pass (ours.example), DMARC pass.",
        "fail": "SPF fail, DKIM fail (ours.example), DMARC fail. Not passed: SPF, DKIM, DMARC; see the records of ours.example.",
        "unsigned": f"SPF pass, DKIM pass (ours-example.20230601.gappssmtp.com), DMARC pass. {googles}",
    }
    for found, line in told.items():
        gmail.post("/sandbox/settings", json={"authentication": found}).raise_for_status()
        shown = outreach(*command)
        assert shown.out.splitlines()[1] == f"Arrived at {BEN}, in its inbox: {line}"
    assert outreach(*command, "--json").json["received"] == {
        "account": BEN,
        "folder": "inbox",
        "spf": "pass",
        "dkim": "pass",
        "dkim_domain": "ours-example.20230601.gappssmtp.com",
        "dmarc": "pass",
        "problem": googles.removesuffix("."),
    }


def test_a_mailbox_that_cannot_be_read_fails_no_test(
    outreach: Outreach, campaign: UUID, gmail: httpx.Client
) -> None:
    """It was sent; what is not known is said. A mail to oneself proves nothing."""
    command = ("campaigns", "test-send", campaign, "--wait", "0", "--to")
    connect_ben(outreach, "send")
    blind = outreach(*command, BEN)
    connect_ben(outreach, "modify")
    fault = {"fault": "unavailable_503", "on": "messages.list"}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()
    away, own = outreach(*command, BEN), outreach(*command, ADA)

    assert [ran.status for ran in (blind, away, own)] == [0, 0, 0]
    assert blind.out.splitlines()[1] == (
        f"{BEN}: The account has not granted to read its mails; reconnect the account and grant it."
    )
    assert away.out.splitlines()[1] == f"{BEN}: Gmail is not available (HTTP 503)."
    assert own.out.count("\n") == 1


@pytest.fixture
def fault(gmail: httpx.Client) -> Callable[..., None]:
    """Gmail takes the next mail and hangs up."""
    return lambda: gmail.post(
        "/sandbox/faults",
        json={"fault": "accept_then_close", "on": "drafts.send", "times": 1},
    ).raise_for_status()

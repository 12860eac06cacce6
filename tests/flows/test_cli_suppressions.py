"""Suppressions, as an operator types them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from outreach.cli import app
from outreach.store.store import Store

Outreach = Callable[..., tuple[int, str, str]]


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

    def run(*arguments: object) -> tuple[int, str, str]:
        status = app.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def campaign(store: Store) -> UUID:
    """A running campaign of two leads."""
    store.save_account(uuid4(), "ann@ours.example", refresh_token="t")
    store.import_leads([{"email": f"{name}@acme.example"} for name in ("mia", "noa")], tag="x")
    made = uuid4()
    store.create_campaign(made, "Spring", ["ann@ours.example"], tag="x")
    store.start_campaign(made)
    return made


def listed(outreach: Outreach) -> list[tuple[str, str | None]]:
    rows = json.loads(outreach("suppressions", "list", "--json")[1])
    return [(row["key"], row["reason"]) for row in rows]


# --- add ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Mia Roth <Mia@Acme.example>", "mia@acme.example"),
        ("mia@straße.example", "mia@xn--strae-oqa.example"),
        ("Acme.example", "acme.example"),
        ("*.acme.example", "acme.example"),
        ("@acme.example", "acme.example"),
    ],
)
def test_an_address_or_a_domain_is_suppressed(outreach: Outreach, written: str, key: str) -> None:
    """In the form of the log; again it is known."""
    first = outreach("suppressions", "add", written, "--reason", "asked by telephone")
    again = outreach("suppressions", "add", written, "--json")
    assert (first[0], first[1]) == (0, f"{key} is suppressed.\n")
    assert json.loads(again[1]) == {"key": key, "added": False}
    assert listed(outreach) == [(key, "asked by telephone")]


@pytest.mark.parametrize(
    "written", ["*", "acme", "mia@", "@", "", "mia@acme", "a@b@c.example", "*.com"]
)
def test_what_names_nobody_is_refused(outreach: Outreach, written: str) -> None:
    """With the sentence that says what to write."""
    status, _, error = outreach("suppressions", "add", "--", written)
    assert (status, error) == (
        1,
        f"Error: {written!r} is neither an address nor a domain; write mia@acme.com or acme.com.\n",
    )
    assert listed(outreach) == []


def test_a_domain_of_free_mail_needs_force(outreach: Outreach) -> None:
    status, _, error = outreach("suppressions", "add", "gmail.com")
    says = "Error: Many people or companies have addresses in gmail.com; name single addresses, or "
    assert (status, error) == (1, f"{says}suppress all of it with --force.\n")
    assert outreach("suppressions", "add", "gmail.com", "--force")[0] == 0
    assert listed(outreach) == [("gmail.com", None)]


@pytest.mark.parametrize(
    ("until", "says"), [("soon", "'soon' is not a date"), ("2020-01-01", "2020-01-01 is past")]
)
def test_an_end_is_a_date_to_come(outreach: Outreach, until: str, says: str) -> None:
    status, _, error = outreach("suppressions", "add", "acme.example", "--until", until)
    assert (status, says in error, listed(outreach)) == (1, True, [])


def test_it_ends_when_it_is_told_to(outreach: Outreach, store: Store, campaign: UUID) -> None:
    outreach("suppressions", "add", "mia@acme.example", "--until", "2099-01-31")
    store.sweep_suppressed()
    _, told, _ = outreach("campaigns", "leads", campaign)
    assert "until 2099-01-" in told


# --- import and export ----------------------------------------------------------------------------


FILES = {
    "one a line": "mia@acme.example\nNOA@acme.example\n\nacme.test\n",
    "with a header": "Email Address\nmia@acme.example\nnoa@acme.example\nacme.test\n",
    "a column among others": (
        "Sender;E-Mail;Reason\nann@ours.example;mia@acme.example;bounced\n"
        "ann@ours.example;noa@acme.example;unsubscribed\nann@ours.example;acme.test;\n"
    ),
    "with a byte order mark": "\ufeffemail,at\nmia@acme.example,1\nnoa@acme.example,2\nacme.test,3\n",
    "as names": '"Roth, Mia" <mia@acme.example>\nnoa@acme.example\n@acme.test\n',
}


@pytest.mark.parametrize("kind", FILES)
def test_lists_of_other_tools_are_imported(outreach: Outreach, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(FILES[kind], encoding="utf-8")
    status, told, _ = outreach("suppressions", "import", file)
    assert (status, told) == (0, "3 added, 0 known already, 0 left out.\n")
    assert sorted(key for key, _ in listed(outreach)) == [
        "acme.test",
        "mia@acme.example",
        "noa@acme.example",
    ]


def test_without_a_named_column_every_address_counts(outreach: Outreach, tmp_path: Path) -> None:
    """And no other cell: a number or a word is no domain there."""
    file = tmp_path / "list.csv"
    file.write_text("1.5,mia@acme.example,x\n2.5,y,noa@acme.example\n3.5,acme.test,z\n")
    status, told, notes = outreach("suppressions", "import", file)
    assert (status, told) == (0, "2 added, 0 known already, 1 left out.\n")
    assert notes == "line 3: '3.5 acme.test z' is neither an address nor a domain\n"


def test_what_cannot_be_suppressed_is_told_and_the_rest_is(
    outreach: Outreach, tmp_path: Path
) -> None:
    """Again everything is known."""
    file = tmp_path / "list.txt"
    file.write_text("*\nmia@acme.example\ngmail.com\nnobody\n")
    first = json.loads(outreach("suppressions", "import", file, "--json")[1])
    again = json.loads(outreach("suppressions", "import", file, "--force", "--json")[1])
    assert first == {
        "added": 1,
        "known": 0,
        "left_out": 3,
        "lines": [{"line": 1, "text": "*"}, {"line": 4, "text": "nobody"}],
        "shared_domains": ["gmail.com"],
    }
    assert (again["added"], again["known"], again["left_out"]) == (1, 1, 2)


@pytest.mark.parametrize("text", ["", "Email\n", "nobody\n"])
def test_a_file_without_an_address_is_an_error(
    outreach: Outreach, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text)
    status, _, error = outreach("suppressions", "import", file)
    assert (status, "has no address that could be suppressed" in error) == (1, True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('email,name\nmia@a.example,Mia\njo@b.example,"Jo\neva@c.example,Eva\n', 3),
        ('email\tname\njo@b.example\t"JB Corp\neva@c.example\t"E" Corp\n', 2),
        ('"jo@b.example\neva@c.example\n', 1),
    ],
)
def test_a_quote_that_does_not_close_swallows_nobody(
    outreach: Outreach, tmp_path: Path, text: str, line: int
) -> None:
    """They would be mailed, although a person had put them on the list."""
    file = tmp_path / "list.csv"
    file.write_text(text)
    status, _, error = outreach("suppressions", "import", file)
    assert (status, f"Line {line} of the file cannot be read as CSV" in error) == (1, True)


def test_an_export_is_an_import(outreach: Outreach, tmp_path: Path) -> None:
    """All of it, with what is known."""
    for key in ("mia@acme.example", "acme.test"):
        outreach("suppressions", "add", key, "--reason", "=1+1")
    out = tmp_path / "all.csv"
    status, _, notes = outreach("suppressions", "export", "--out", out)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    again = outreach("suppressions", "import", out)
    assert (status, notes) == (0, f"2 suppression(s) are in {out}.\n")
    assert [(row["email"], row["cause"], row["reason"]) for row in rows] == [
        ("mia@acme.example", "listed", "'=1+1"),
        ("acme.test", "listed", "'=1+1"),
    ]
    assert again[1] == "0 added, 2 known already, 0 left out.\n"


# --- remove ---------------------------------------------------------------------------------------


def test_a_person_lifts_it_and_takes_the_lead_up_again(
    outreach: Outreach, store: Store, campaign: UUID
) -> None:
    """The audit names them."""
    outreach("suppressions", "add", "mia@acme.example")
    store.sweep_suppressed()
    held = outreach("campaigns", "retry-failed", campaign, "--suppressed")
    removed = outreach("suppressions", "remove", "Mia@acme.example", "--by", "Ann Example")
    retried = outreach("campaigns", "retry-failed", campaign, "--suppressed", "--json")
    acts = json.loads(outreach("suppressions", "history", "mia@acme.example", "--json")[1])
    assert held[1] == "No lead fits: the addresses are suppressed still.\n"
    assert removed[1] == "1 suppression(s) lifted, in the name of Ann Example.\n"
    assert json.loads(retried[1]) == {"id": str(campaign), "leads": 1}
    assert [(act["act"], act["by"]) for act in acts] == [
        ("suppressed", None),
        ("lifted", "Ann Example"),
    ]


def test_what_holds_all_the_same_is_told(outreach: Outreach) -> None:
    for key in ("mia@acme.example", "acme.example"):
        outreach("suppressions", "add", key)
    _, _, notes = outreach("suppressions", "remove", "mia@acme.example", "--by", "Ann")
    assert "mia@acme.example is suppressed all the same: suppressed on " in notes
    status, _, again = outreach("suppressions", "remove", "mia@acme.example", "--by", "Ann")
    assert status == 1
    assert again.endswith(
        "Error: None of these has a suppression of its own; remove what they are suppressed by.\n"
    )


def test_what_is_not_suppressed_cannot_be_lifted(outreach: Outreach) -> None:
    status, _, error = outreach("suppressions", "remove", "mia@acme.example", "--by", "Ann")
    assert (status, error) == (
        1,
        "Error: None of these is suppressed; `outreach suppressions list` shows all.\n",
    )


def test_nobody_lifts_without_a_name(outreach: Outreach) -> None:
    outreach("suppressions", "add", "mia@acme.example")
    unnamed = outreach("suppressions", "remove", "mia@acme.example")
    blank = outreach("suppressions", "remove", "mia@acme.example", "--by", " ")
    assert (unnamed[0], blank[0], len(listed(outreach))) == (2, 1, 1)


# --- what a campaign shows --------------------------------------------------------------------------


def test_status_leads_and_export_say_why(outreach: Outreach, store: Store, campaign: UUID) -> None:
    store.suppress([{"key": "mia@acme.example", "cause": "opt_out"}], "link")
    store.sweep_suppressed()
    status = json.loads(outreach("campaigns", "status", campaign, "--json")[1])
    shown = outreach("campaigns", "status", campaign)[1]
    leads = json.loads(outreach("campaigns", "leads", campaign, "--json")[1])
    exported = outreach("campaigns", "export", campaign)[1]
    assert status["not_mailed"] == [{"reason": "opted out", "leads": 1}]
    assert "1 opted out" in shown
    assert [lead["error"][:13] for lead in leads if lead["status"] == "cancelled"] == [
        "opted out on "
    ]
    assert "opted out on " in exported


def test_the_acts_of_a_person_who_answered_and_was_erased_are_shown(
    outreach: Outreach, store: Store
) -> None:
    """Neither has a cause or a source."""
    store.import_leads([{"email": "liv@acme.example", "name": "Liv"}], tag="y")
    for said in ("suppressions", "add"), ("leads", "erase"):
        outreach(*said, "liv@acme.example", *(("--by", "Ann") if said[1] == "erase" else ()))
    status, shown, error = outreach("suppressions", "history", "liv@acme.example", "--json")
    assert (status, error) == (0, "")
    acts = json.loads(shown)
    assert [act["act"] for act in acts][-1] == "erased"
    assert acts[-1]["cause"] is None
    assert outreach("suppressions", "history", "liv@acme.example")[0] == 0


@pytest.mark.parametrize("tag", ["", "  ", "spring\nautumn"])
@pytest.mark.parametrize("command", ["import", "list", "create"])
def test_a_tag_that_is_no_name_is_refused(
    outreach: Outreach, tmp_path: Path, command: str, tag: str
) -> None:
    """A variable of the shell that was never set: its list would be everybody's without a tag."""
    file = tmp_path / "leads.csv"
    file.write_text("email\nmia@acme.example\n")
    arguments = {
        "import": ("leads", "import", file),
        "list": ("leads", "list"),
        "create": ("campaigns", "create", "--name", "x", "--account", "ada@ours.example"),
    }
    status, _, error = outreach(*arguments[command], "--tag", tag)
    assert status == 2
    assert "a tag is one line of text" in error


def test_without_the_google_app_no_mailbox_is_said_to_be_broken(
    outreach: Outreach, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is of this process, and would stand at each account for all machines."""
    for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_TOKEN_URL", "GMAIL_API_URL"):
        monkeypatch.delenv(name, raising=False)
    store.save_account(uuid4(), "ada@ours.example", refresh_token="t")
    status, _, error = outreach("mailboxes", "read")
    assert status == 1
    assert error.startswith("Error: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not both set")
    assert [one.problem for one in store.mailboxes.all()] == [None]

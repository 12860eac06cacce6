"""Watching a campaign and taking its leads away, as a person does it: on a terminal, in a file."""

import csv
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.campaign.models import CampaignStatus, ExportedLead, LeadCounts
from outreach.campaign.progress import Progress
from outreach.cli import app
from outreach.cli.campaigns import export as exporting
from outreach.cli.campaigns import watch as watching
from outreach.errors import StoreUnavailable
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store

Outreach = Callable[..., tuple[int, str, str]]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The test's settings, as a shell would export them; no colours."""
    # The size is the terminal's own, whatever the shell that runs the tests has exported.
    return {**settings.exported(), "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "", "LINES": ""}


@pytest.fixture
def outreach(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Outreach:
    """Runs the command in this process: exit status, stdout, stderr."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        status = app.run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return status, out.decode(), err.decode()

    return run


@pytest.fixture
def store(database: SecretStr, settings: Settings) -> Iterator[Store]:
    opened = Store(Postgres(database), settings)
    yield opened
    opened.close()


@pytest.fixture
def campaign(store: Store) -> UUID:
    """A draft of two leads, one of them with a name that a spreadsheet would calculate."""
    store.save_account(uuid4(), "ada@ours.example", refresh_token="sandbox:ada@ours.example:modify")
    usual = {"company": "Acme", "email_subject": "A deck", "email_template": "Hello {{ name }}"}
    rows = [
        {"email": "zoe@acme.example", "name": "Zoë, Dr.", "role": "CEO", **usual},
        {"email": "bob@acme.example", "name": '=HYPERLINK("http://x","y")', **usual},
    ]
    store.import_leads(rows, tag="x")
    made = uuid4()
    store.create_campaign(made, "Spring [red]", ["ada@ours.example"], tag="x")
    return made


# --- a terminal -------------------------------------------------------------------------------


@dataclass
class Terminal:
    """A process that has a terminal of 60 columns where it writes to `shown`."""

    process: subprocess.Popen[bytes]
    shown: int
    text: str = ""

    def until(self, wanted: str) -> None:
        """Read what it shows until it has shown this."""
        while wanted not in self.text:
            self._read()

    def rest(self) -> str:
        """All that it showed, to its end."""
        while self._read():
            pass
        self.process.wait()
        return self.text

    def _read(self) -> bool:
        try:
            new = os.read(self.shown, 4096)
        except OSError:  # what Linux answers where the other side is closed
            new = b""
        self.text += new.decode(errors="replace").replace("\r\n", "\n")
        return bool(new)


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts the command with stderr, and stdout unless told otherwise, on a terminal."""
    opened: list[Terminal] = []

    def start(*arguments: object, stdout: int | None = None, **more: str) -> Terminal:
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", *map(str, arguments)],
            env={**os.environ, **environment, **more},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=its if stdout is None else stdout,
            stderr=its,
        )
        os.close(its)
        opened.append(Terminal(process, ours))
        return opened[-1]

    yield start
    for one in opened:
        one.process.kill()
        one.process.wait()
        os.close(one.shown)


def test_watch_draws_on_a_terminal_until_the_campaign_ends(
    terminal: Callable[..., Terminal], campaign: UUID, store: Store
) -> None:
    """A bar, an account a line, why nothing is sent; a name is no markup, and NO_COLOR is kept."""
    watched = terminal("campaigns", "status", campaign, "--watch")
    watched.until("It is a draft")
    store.cancel_campaign(campaign)

    text = watched.rest()

    assert watched.process.returncode == 0
    assert "Spring [red]: draft" in text
    assert "0/2" in text
    assert "ada@ours.example: 0 sent, 0 failed, 2 pending; ready" in text
    last = text[text.rindex("Spring [red]: ") :]
    assert "2 cancelled\nIt was cancelled." in last
    assert "\x1b[3" not in text


def test_a_terminal_that_cannot_redraw_is_told_line_by_line(
    terminal: Callable[..., Terminal], campaign: UUID, store: Store
) -> None:
    """As a pipe is."""
    store.cancel_campaign(campaign)

    watched = terminal("campaigns", "status", campaign, "--watch", TERM="dumb")

    assert watched.rest() == "cancelled: 0 pending, 0 sent, 0 failed, 2 cancelled\n"


def test_a_local_run_is_shown_on_stderr_while_it_sends(
    prefect_api: str, terminal: Callable[..., Terminal], campaign: UUID, tmp_path: Path
) -> None:
    """Its answer stays alone on stdout."""
    answer = tmp_path / "answer"
    with answer.open("wb") as file:
        started = terminal(
            "campaigns", "start", campaign, "--local",
            stdout=file.fileno(), PREFECT_API_URL=prefect_api,
        )  # fmt: skip
        text = started.rest()

    assert (started.process.returncode, answer.read_text()) == (0, "2/2 sent\n")
    assert "Spring [red]: running" in text
    assert "2 sent\nIt is completed." in text[text.rindex("Spring [red]: completed") :]


def test_status_tells_the_accounts_and_why_nothing_is_sent(
    outreach: Outreach, campaign: UUID, store: Store
) -> None:
    """Through a pipe with tabs, below the fields."""
    store.start_campaign(campaign)
    store.pause_campaign(campaign)

    status, out, err = outreach("campaigns", "status", campaign)

    fields, accounts = out.split("\n\n")
    now = f"It is paused until a person acts. `outreach campaigns resume {campaign}` goes on."
    assert (status, err, fields.splitlines()[-1]) == (0, "", f"now        {now}")
    assert accounts == (
        "account\tsent\tfailed\tpending\tlast 24 h\tstate\nada@ours.example\t0\t0\t2\t0/100000\tready\n"
    )


# --- looking ----------------------------------------------------------------------------------


def running(**leads: int) -> CampaignStatus:
    return CampaignStatus(id=uuid4(), name="x", status="running", leads=LeadCounts(**leads))


def test_who_watches_waits_out_a_database_that_is_away() -> None:
    """It is told, with what was known last."""
    first, last = running(pending=1), running(sent=1).model_copy(update={"status": "completed"})
    answers: Iterator[Any] = iter([first, StoreUnavailable("away"), last])

    def look(_: UUID) -> CampaignStatus:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    seen = list(watching.follow(look, uuid4(), lambda _: None))

    assert seen == [(first, False), (first, True), (last, False)]


def test_looks_take_a_twentieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second, unless a look costs more than 50 ms; one last look when the wait is cut short."""
    clock = iter([0, 0.01, 10, 10.5, 20, 20.01])
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(clock))
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) == 2

    looked = list(watching.follow(lambda _: running(pending=1), uuid4(), wait))

    assert (len(looked), waits) == (3, [1, 10])


def test_who_waits_for_this_process_is_not_told_how_to_start_it() -> None:
    """Only after its run ended, such as by Ctrl-C."""
    over, now = threading.Event(), datetime.now().astimezone()
    due = Progress(id=uuid4(), name="x", status="running", paused=False, owned=False)
    why = watching._why_beside(over)

    before = why(due, now)
    over.set()

    assert before == "Its run is about to begin in this process."
    assert (why(due, now) or "").startswith("It is due and no run was asked for yet")


# --- exporting --------------------------------------------------------------------------------


def test_an_export_is_csv_that_a_spreadsheet_shows_and_does_not_calculate(
    outreach: Outreach, campaign: UUID, store: Store, db: psycopg.Connection
) -> None:
    """RFC 4180, UTF-8, times in UTC; a cell that begins like a formula gets an apostrophe."""
    run = uuid4()
    store.start_campaign(campaign)
    store.begin_run(campaign, run, 60)
    by_email = {c.lead.email: c for c in store.claim_leads(uuid4(), campaign, run, 2).claims}
    store.fail_lead(by_email["bob@acme.example"], "@bad\nhost")
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = '2026-11-24 10:00:00.5+01', thread_id = 't',"
        " message_id = 'm', opened_at = '2026-11-24 11:00+01' where status = 'pending'"
    )

    status, out, _ = outreach("campaigns", "export", campaign)

    ids = {email: str(claim.id) for email, claim in by_email.items()}
    rows = sorted(csv.reader(io.StringIO(out, newline="")))
    failed_at = rows[0][12]
    nothing_back = [""] * 7
    assert (status, failed_at[-1]) == (0, "Z")
    assert out.count("\r\n") == 3
    assert rows == [
        ["bob@acme.example", '\'=HYPERLINK("http://x","y")', "Acme", "", "failed", "ada@ours.example",
         "", "", "", "", "'@bad\nhost", ids["bob@acme.example"], failed_at, f"{failed_at} @bad\nhost",
         *nothing_back],
        ["email", "name", "company", "role", "status", "account", "sent_at", "opened_at", "thread_id",
         "message_id", "error", "lead", "failed_at", "failures", "replied_at", "bounced_at", "bounce",
         "bounce_status", "away_at", "back_on", "unsubscribed_at"],
        ["zoe@acme.example", "Zoë, Dr.", "Acme", "CEO", "sent", "ada@ours.example",
         "2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z", "t", "m", "", ids["zoe@acme.example"], "", "",
         *nothing_back],
    ]  # fmt: skip


def test_an_export_goes_to_a_file_of_one_status_and_with_excels_mark(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection, tmp_path: Path
) -> None:
    """Nothing on stdout; the file is there when it is whole."""
    db.execute(
        "update campaign_leads set status = 'failed', error = 'x' where lead_id ="
        " (select id from leads where email like 'bob%')"
    )
    file = tmp_path / "leads.csv"

    ran = outreach("campaigns", "export", campaign, "--status", "failed", "--out", file, "--bom")

    assert ran == (0, "", f"1 lead(s) are in {file}.\n")
    lines = file.read_bytes().split(b"\r\n")
    assert (lines[0][:9], len(lines), lines[1][:17]) == (
        b"\xef\xbb\xbfemail,",
        3,
        b"bob@acme.example,",
    )
    assert list(tmp_path.glob("*.part")) == []


def test_an_export_that_cannot_be_is_one_sentence(
    outreach: Outreach, campaign: UUID, tmp_path: Path
) -> None:
    """No such campaign is no empty file; no such folder is named."""
    unknown = outreach("campaigns", "export", uuid4(), "--out", tmp_path / "none.csv")
    nowhere = outreach("campaigns", "export", campaign, "--out", tmp_path / "no" / "leads.csv")

    assert unknown[:2] == nowhere[:2] == (1, "")
    assert unknown[2].startswith("Error: There is no campaign")
    assert nowhere[2].endswith(
        "cannot be written (No such file or directory); name another file with --out.\n"
    )
    assert not (tmp_path / "none.csv").exists()


def test_leads_are_written_as_they_come() -> None:
    """However many there are, memory holds one page."""
    file = io.BytesIO()
    seen: list[int] = []

    def leads() -> Iterator[ExportedLead]:
        for n in range(3):
            seen.append(file.getvalue().count(b"\r\n"))
            yield ExportedLead.model_construct(
                **{
                    **dict.fromkeys(ExportedLead.model_fields),
                    "id": n,
                    "email": "a@b.test",
                    "failures": [],
                }
            )

    assert exporting.write(leads(), file) == 3
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a=b", "a=b"),
        ("\x1b[2J", "\ufffd[2J"),
        ("two\nlines", "two\nlines"),
        (None, ""),
    ],
)
def test_a_cell_is_text_whatever_it_begins_with(value: str | None, written: str) -> None:
    """And steers no terminal."""
    assert exporting.cell(value) == written

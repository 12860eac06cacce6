"""`outreach mailboxes explain`: needs no database, no account, no network."""

import json
from pathlib import Path

import pytest

from outreach.cli.app import run
from outreach.cli.mailboxes import explain
from tests.inbound_mails import OUR_ID, gmail, mail


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with an away notice and a reply."""
    away = mail("Back on 9 November.", subject="Automatic reply: Rockets")
    (tmp_path / "away.eml").write_bytes(away)
    (tmp_path / "reply.eml").write_bytes(gmail("Yes, \x1b[31mgladly.", "en"))
    return tmp_path


def test_json_is_a_list_with_an_element_for_each_file(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All fields, always."""
    files = [str(saved / "away.eml"), str(saved / "reply.eml")]

    assert run(["mailboxes", "explain", *files, "--json"]) == 0

    away, reply = json.loads(capsys.readouterr().out)
    assert away == {
        "file": files[0],
        "kind": "away",
        "recipients": [],
        "original_message_id": OUR_ID,
        "back_on": "2026-11-09",
        "own_words": None,
        "why": "the subject of an automatic answer",
    }
    assert (reply["kind"], reply["own_words"]) == ("reply", "Yes, \x1b[31mgladly.")


def test_a_recipient_has_address_status_and_verdict(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where the mail was written to, if it was forwarded."""
    fields = b"Original-Recipient: rfc822;ann@lead.example\nFinal-Recipient: rfc822;a@b.example\nStatus: 5.1.1\nAction: failed"
    (saved / "bounce.eml").write_bytes(
        b"From: mailer-daemon@b.example\nContent-Type: message/delivery-status\n\n" + fields
    )

    assert run(["mailboxes", "explain", str(saved / "bounce.eml"), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)[0]["recipients"] == [
        {"address": "a@b.example", "status": "5.1.1", "verdict": "dead", "original_address": "ann@lead.example"}
    ]  # fmt: skip


def test_a_person_sees_a_line_for_each_file(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could steer a terminal is gone."""
    assert run(["mailboxes", "explain", str(saved / "reply.eml")]) == 0

    shown = capsys.readouterr().out
    assert "\treply\t" in shown
    assert "Yes, \N{REPLACEMENT CHARACTER}[31mgladly." in shown


@pytest.mark.parametrize("name", ["missing.eml", "."])
def test_a_file_that_cannot_be_read_is_named(
    saved: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing of the others is shown."""
    assert run(["mailboxes", "explain", str(saved / "away.eml"), str(saved / name), "--json"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: The file ")
    assert "cannot be read" in err


def test_a_file_that_is_no_mail_is_other_or_refused(
    saved: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes without a header; more bytes than a mail has."""
    (saved / "noise.eml").write_bytes(bytes(range(256)))
    assert run(["mailboxes", "explain", str(saved / "noise.eml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["kind"] == "other"

    monkeypatch.setattr(explain, "LARGEST", 100)
    assert run(["mailboxes", "explain", str(saved / "noise.eml")]) == 1
    assert "is too large for a mail" in capsys.readouterr().err


def test_no_file_is_a_wrong_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, as everywhere."""
    assert run(["mailboxes", "explain"]) == 2
    assert "Missing argument" in capsys.readouterr().err

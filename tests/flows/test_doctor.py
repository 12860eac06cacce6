"""`outreach doctor` on a world where one thing at a time is wrong."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from outreach.cli import app
from outreach.settings import Settings
from outreach.store import errors as failures
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.dns_server import serve_dns
from tests.postgrest.fixtures import Project

ADA = "ada@ours.example"
Finding = dict[str, Any]
Doctor = Callable[..., dict[str, Finding]]


@pytest.fixture
def store(database: SecretStr, settings: Settings) -> Iterator[Store]:
    opened = Store(Postgres(database), settings)
    yield opened
    opened.close()


@pytest.fixture
def doctor(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Doctor:
    """Run it with the test's settings, changed: its findings by what was checked."""
    for name, value in settings.exported().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(failures, "PAUSES", (0,))

    def run(status: int, **changed: str | None) -> dict[str, Finding]:
        for name, text in changed.items():
            if text is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, text)
        capsys.readouterr()
        ended = app.run(["doctor", "--json"])
        out = capsys.readouterr().out
        assert ended == status, out
        assert not any(secret in out for secret in secrets())
        return {finding["check"]: finding for finding in json.loads(out)}

    return run


def secrets() -> list[str]:
    names = ("DATABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "GOOGLE_CLIENT_SECRET")
    return [os.environ[name] for name in names if os.environ.get(name)] + ["sandbox:"]


def add(store: Store, address: str = ADA, scopes: str = "modify") -> None:
    token = f"sandbox:{address}:{scopes}"
    store.save_account(uuid4(), address, refresh_token=token)


def test_what_is_well_is_said_in_a_line_each(
    doctor: Doctor, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Prefect, which it can do without; the address of the database is never shown."""
    add(store)

    # Where another test's Prefect server is at hand, too.
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        findings = doctor(0)
        shown = app.run(["doctor"])

    assert {check: finding["verdict"] for check, finding in findings.items()} == {
        "settings": "ok",
        "database": "ok",
        ADA: "ok",
        "places": "ok",
        "unsubscribe": "warn",  # nothing is at app.example
        "prefect": "warn",
        "attachment": "ok",
    }
    assert shown == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [finding["verdict"], check] for check, finding in findings.items()
    ]


@pytest.mark.parametrize(
    ("scopes", "says"),
    [("modify", "delivers by drafts, exactly once"), ("send", "delivers by direct, at most once")],
)
def test_an_accounts_scopes_decide_its_delivery(
    doctor: Doctor, store: Store, scopes: str, says: str
) -> None:
    """And with it the promise."""
    add(store, scopes=scopes)
    findings = doctor(0)
    assert findings[ADA]["told"] == f"{says} ({scopes})"
    assert ("mailbox" in findings) == (scopes == "send")


def test_what_came_back_and_why_a_mailbox_is_not_read_is_told(
    doctor: Doctor, store: Store, db: psycopg.Connection
) -> None:
    """After how long it was read, and what mends it."""
    add(store)
    db.execute(
        "insert into mailboxes (account_id, read_at, can_read, problem)"
        " select id, now(), true, 'Gmail is not available (HTTP 503).' from accounts"
    )

    findings = doctor(0)

    assert findings[ADA]["told"].startswith("delivers by drafts, exactly once (modify); read 20")
    assert findings[ADA]["told"].endswith(", in 30 days 0 answered, 0 bounced, 0 blocked")
    assert (findings["mailbox"]["severity"], findings["mailbox"]["message"]) == (
        "warning",
        f"{ADA}: Its mailbox could not be read: Gmail is not available (HTTP 503).",
    )
    assert findings["mailbox"]["remedy"].endswith(f"`outreach accounts connect {ADA}`")


def test_each_domain_of_the_accounts_has_a_line(doctor: Doctor, store: Store) -> None:
    """How receivers see it, and the record to add; what DNS does not tell is no warning."""
    add(store)
    add(store, "ben@ours.example")
    add(store, "eve@bare.example")
    add(store, "kim@lame.example")
    add(store, "ada.byron@gmail.com")
    with serve_dns() as dns:
        dns.text("ours.example", "v=spf1 redirect=_spf.google.com")
        dns.text("_dmarc.ours.example", "v=DMARC1; p=quarantine")
        dns.text("google._domainkey.ours.example", "v=DKIM1; p=MIGf")
        dns.text("bare.example", "v=spf1 -all")
        for name in ("lame", "_dmarc.lame", "google._domainkey.lame"):
            dns.fault(f"{name}.example", "SERVFAIL")
        found = doctor(0, DOMAIN_CHECKS="1", DNS_SERVERS=dns.address)

    domains = {check: one for check, one in found.items() if check.endswith((".example", ".com"))}
    told = {
        check: (one["verdict"], one["told"]) for check, one in domains.items() if "@" not in check
    }
    bare = "SPF fail, DMARC missing, DKIM no key google, maybe another; The SPF record of bare.example does not cover Google (fail); bare.example has no DMARC record"
    assert told == {
        "ours.example": ("ok", "SPF pass, DMARC quarantine, DKIM key google"),
        "bare.example": ("warn", bare),
        "lame.example": ("ok", "SPF unknown, DMARC unknown, DKIM unknown"),
    }
    assert domains["bare.example"]["todo"] == (
        "add include:_spf.google.com to it; add a TXT record to _dmarc.bare.example: “v=DMARC1; p=none”"
    )


def test_each_account_that_cannot_send_is_named(
    doctor: Doctor, store: Store, gmail: httpx.Client, db: psycopg.Connection
) -> None:
    """Revoked, not connected, without the right scopes, marked; the others are well."""
    add(store)
    add(store, "revoked@ours.example")
    add(store, "reader@ours.example", "readonly")
    add(store, "marked@ours.example")
    add(store, "resting@ours.example")
    store.save_account(uuid4(), "new@ours.example")
    gmail.post("/sandbox/revoke", json={"account": "revoked@ours.example"}).raise_for_status()
    db.execute(
        "update accounts set status = 'unusable', status_reason = 'it said no' where email ~ 'marked'"
    )
    db.execute(
        "update accounts set paused_until = now() + interval '1 hour' where email ~ 'resting'"
    )

    findings = doctor(1)

    verdicts = {check: f["verdict"] for check, f in findings.items() if "@" in check}
    assert verdicts == {
        ADA: "ok",
        "resting@ours.example": "warn",
        **dict.fromkeys(
            ("revoked@ours.example", "reader@ours.example", "marked@ours.example",
             "new@ours.example"),
            "fail",
        ),
    }  # fmt: skip
    assert "reconnect" in findings["revoked@ours.example"]["told"]
    assert "it said no" in findings["marked@ours.example"]["told"]


def test_no_account_is_no_failure(doctor: Doctor, database: SecretStr) -> None:  # noqa: ARG001
    """That is how everybody begins."""
    finding = doctor(0)["accounts"]
    assert (finding["verdict"], finding["todo"]) == (
        "warn",
        "connect one with `outreach accounts connect`",
    )


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        ({"SEND_CONCURRENCY": "none"}, "settings", "SEND_CONCURRENCY is not usable"),
        ({"ATTACHMENT_PDF": "gone.pdf"}, "attachment", "cannot be read"),
        ({"DATABASE_URL": "hush"}, "database", "DATABASE_URL is not a Postgres address"),
        ({"SUPABASE_URL": "http://127.0.0.1:9", "DATABASE_URL": None}, "database", "set both"),
        (
            {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_hush"},
            "database",
            "is away (ConnectError)",
        ),
        ({"SUPABASE_URL": "https://real.example"}, "settings", "use a local database"),
        (
            {"GOOGLE_TOKEN_URL": "https://oauth2.googleapis.com/token", "GMAIL_API_URL": ""},
            "settings",
            "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not both set; ",
        ),
    ],
)
def test_what_is_wrong_fails_and_says_what(
    doctor: Doctor, changed: dict[str, str | None], check: str, says: str
) -> None:
    """One line about it, exit status 1, no traceback and no secret."""
    finding = doctor(1, **changed)[check]
    assert finding["verdict"] == "fail"
    assert says in finding["told"]
    assert "hush" not in f"{finding}"


def test_a_rest_without_an_end_is_told_in_words(
    doctor: Doctor, store: Store, db: psycopg.Connection
) -> None:
    """A row may hold `infinity`; nobody reads “inf s”."""
    add(store)
    db.execute("update accounts set paused_until = 'infinity'")

    told = doctor(0)[ADA]["told"]

    assert told.endswith("rests for 3652 days")


def test_an_old_schema_is_to_be_migrated(
    doctor: Doctor,
    db: psycopg.Connection,
) -> None:
    """As after an update of this package; and one that was never migrated."""
    db.execute(
        "create or replace function schema_version() returns setof jsonb language sql"
        """ as $$ select '{"version": "20200101000000"}'::jsonb $$"""
    )
    old = doctor(1)["database"]
    db.execute("drop function schema_version()")
    none = doctor(1)["database"]

    assert (old["verdict"], old["todo"]) == ("fail", "run `outreach db migrate`")
    assert "its schema is of 20200101000000" in old["told"]
    assert "run `outreach db migrate`" in none["told"]


def test_a_newer_schema_is_a_warning(doctor: Doctor, db: psycopg.Connection) -> None:
    """Another machine has been updated."""
    db.execute(
        "create or replace function schema_version() returns setof jsonb language sql"
        """ as $$ select '{"version": "29990101000000"}'::jsonb $$"""
    )
    assert doctor(0)["database"]["todo"] == "update outreach here"


def test_prefect_is_checked_where_it_is_set(doctor: Doctor, prefect_api: str) -> None:
    """Reachable, and what it does not have yet; unreachable, it fails."""
    found = doctor(0)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        away = doctor(1)["prefect"]

    assert prefect_api
    assert (found["prefect"]["verdict"], found["deployment"]["verdict"]) == ("ok", "warn")
    # This one lets everybody in.
    assert found["password"]["verdict"] == "warn"
    assert found["password"]["told"].startswith("Prefect is open")
    assert found["deployment"]["todo"] == "make it with `prefect deploy --all`"
    assert found["limit"]["verdict"] in {"ok", "warn"}
    assert (away["verdict"], away["todo"]) == ("fail", "start it, or correct PREFECT_API_URL")


def test_supabase_is_checked_over_its_data_api(doctor: Doctor, postgrest: Project) -> None:
    """With the right key it is well; with the publishable one it says which is needed."""
    with_key = {"SUPABASE_URL": postgrest.url, "DATABASE_URL": None}
    well = doctor(0, SUPABASE_SERVICE_ROLE_KEY=postgrest.keys.secret, **with_key)["database"]
    refused = doctor(1, SUPABASE_SERVICE_ROLE_KEY=postgrest.keys.publishable, **with_key)[
        "database"
    ]

    assert well["told"].startswith("Supabase's Data API at 127.0.0.1, up to date")
    assert "not the publishable (anon) one" in refused["told"]


def test_tokens_that_the_web_apps_users_can_read_are_told(
    doctor: Doctor, postgrest: Project, db: psycopg.Connection
) -> None:
    """With the statement to run; after it, nothing is said."""
    db.execute("alter table accounts disable row level security")
    db.execute("revoke all on accounts from anon")
    where = {
        "SUPABASE_URL": postgrest.url,
        "SUPABASE_SERVICE_ROLE_KEY": postgrest.keys.secret,
        "DATABASE_URL": None,
    }
    found = doctor(0, **where)["tokens"]
    db.execute(found["todo"].removeprefix("run: "))

    assert found["verdict"] == "warn"
    assert found["told"] == "The role authenticated can read refresh_token of every account."
    assert "tokens" not in doctor(0, **where)


def test_functions_changed_by_hand_fail_and_a_check_tells_them(
    doctor: Doctor, db: psycopg.Connection
) -> None:
    """With the command that puts them back."""
    db.execute("alter function release_run(uuid, uuid) set work_mem = '8MB'")
    found = doctor(1)["database"]

    assert "its functions were changed by hand" in found["told"]
    assert found["todo"] == "run `outreach db migrate`, which puts them back"

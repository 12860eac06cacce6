"""The route for a web app in Next.js, on Node, over the Data API: the same as `outreach web`."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from outreach.public.clients import BURST
from outreach.public.page import HEADERS, TEXTS, page
from tests.one_click import ACTS, DOES_NOTHING
from tests.postgrest.fixtures import HERE, MODULES, Project
from tests.sql.conftest import Build

ROOT = Path(__file__).parents[2]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html"}
MB = 1024 * 1024


@contextmanager
def served(folder: Path, project: Project, **settings: str) -> Iterator[httpx.Client]:
    """A client of the route in a process of its own."""
    with subprocess.Popen(
        ["node", HERE / "web_app.mjs", ROOT / "web-app", folder],
        env={
            "PATH": os.environ["PATH"],
            "SUPABASE_URL": project.url,
            "SUPABASE_SERVICE_ROLE_KEY": project.keys.secret,
            **settings,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        port = process.stdout.readline().strip()
        assert port, process.stderr.read()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
        process.communicate()


@pytest.fixture
def http(postgrest: Project, tmp_path: Path) -> Iterator[httpx.Client]:
    with served(tmp_path, postgrest) as client:
        yield client


@pytest.fixture
def mailed(db: psycopg.Connection) -> Callable[[], str]:
    """The token of a mail that was sent to a recipient of that name."""

    def mail() -> str:
        token = f"o{uuid4().hex}"
        db.execute(
            "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id,"
            " address, started_at, search_token, finished_at, outcome) values"
            " (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),"
            " gen_random_uuid(), %s, now(), %s, now(), 'sent')",
            (f"{token}@acme.test", token),
        )
        return token

    return mail


def suppressed(db: psycopg.Connection) -> list[str]:
    rows = db.execute("select key from suppressions").fetchall()
    return sorted(key.removesuffix("@acme.test") for (key,) in rows)


def test_each_valid_form_unsubscribes(
    http: httpx.Client, mailed: Callable[[], str], db: psycopg.Connection
) -> None:
    """Also where Node's own formData() throws."""
    tokens = {given.name: mailed() for given in ACTS}
    answers = {
        given.name: http.post(
            f"/api/unsubscribe/{tokens[given.name]}",
            content=given.body,
            headers={"Content-Type": given.type} if given.type else {},
        )
        for given in ACTS
    }
    again = http.post(f"/api/unsubscribe/{tokens['urlencoded']}", data=ONE_CLICK)
    assert {name: (a.status_code, a.text) for name, a in answers.items()} == dict.fromkeys(
        tokens, (200, "unsubscribed\n")
    )
    assert again.status_code == 200
    assert suppressed(db) == sorted(tokens.values())


def test_nothing_else_unsubscribes(
    http: httpx.Client, mailed: Callable[[], str], db: psycopg.Connection
) -> None:
    """The page offers the button; a link that scanners fetch changes nothing."""
    path = f"/api/unsubscribe/{mailed()}"
    refused = [
        http.post(path, content=given.body, headers={**BROWSER, "Content-Type": given.type})
        for given in DOES_NOTHING
    ]
    fetched = [http.get(path), http.get(path), http.head(path)]
    assert [answer.status_code for answer in refused] == [400] * len(DOES_NOTHING)
    assert all("<button>Unsubscribe</button>" in answer.text for answer in refused)
    assert [answer.status_code for answer in fetched] == [200] * 3
    assert suppressed(db) == []


def test_a_large_body_is_refused(
    http: httpx.Client, mailed: Callable[[], str], db: psycopg.Connection
) -> None:
    """With its length told, and in chunks: Next.js sets no limit of its own."""
    path, chunk = f"/api/unsubscribe/{mailed()}", b"List-Unsubscribe=One-Click&" * 1000

    def chunks() -> Iterator[bytes]:
        for _ in range(100 * MB // len(chunk)):
            yield chunk

    assert status_of(lambda: http.post(path, content=b"a" * 100 * MB)) in {413, None}
    assert status_of(lambda: http.post(path, content=chunks())) in {413, None}
    assert http.post(path, content=chunk[: 17 * 1024]).status_code == 413
    assert suppressed(db) == []


def status_of(asked: Callable[[], httpx.Response]) -> int | None:
    """None where the server cut the client off, which was still sending."""
    try:
        return asked().status_code
    except httpx.TransportError:
        return None


def test_unknown_tokens_are_limited_by_the_header_of_the_platform(
    postgrest: Project, tmp_path: Path, mailed: Callable[[], str]
) -> None:
    """Known ones never."""
    with served(tmp_path, postgrest, UNSUBSCRIBE_CLIENT_HEADER="x-real-ip") as http:

        def post(token: str, client: str) -> httpx.Response:
            headers = {"X-Real-IP": client}
            return http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK, headers=headers)

        answers = [post(uuid4().hex, "203.0.113.5") for _ in range(BURST + 20)]
        known, other = post(mailed(), "203.0.113.5"), post(uuid4().hex, "203.0.113.6")
    assert [answer.status_code for answer in answers[:BURST]] == [404] * BURST
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert (known.status_code, other.status_code) == (200, 404)


@pytest.mark.parametrize(
    ("ours", "others"),
    [
        (["2001:db8:0:7::{n}", "[2001:DB8:0:7:a:b:c:{n}]:443"], "2001:db8:0:8::1"),
        (["2001:db8::1:0:0:{n}", "2001:0db8:0000:0000::{n}"], "2001:db8:0:1::1"),
        (["::ffff:203.0.113.5", "203.0.113.5", "203.0.113.5:{n}"], "::ffff:203.0.113.6"),
    ],
)
def test_all_addresses_of_one_customer_are_one_client(
    postgrest: Project, tmp_path: Path, ours: list[str], others: str
) -> None:
    """An IPv6 customer has 2^64 of them; an IPv4 address may be written as IPv6, or with a port."""
    with served(tmp_path, postgrest, UNSUBSCRIBE_CLIENT_HEADER="x-real-ip") as http:

        def post(client: str) -> int:
            path, headers = f"/api/unsubscribe/{uuid4().hex}", {"X-Real-IP": client}
            return http.post(path, data=ONE_CLICK, headers=headers).status_code

        asked = [post(ours[n % len(ours)].format(n=n)) for n in range(1, BURST + 21)]
        assert (asked[BURST:].count(429) > 10, post(others)) == (True, 404)


def test_without_a_database_nothing_is_shown_as_done(
    postgrest: Project, tmp_path: Path, mailed: Callable[[], str]
) -> None:
    """Nor with a key that is refused."""
    path = f"/api/unsubscribe/{mailed()}"
    with served(tmp_path / "away", postgrest, SUPABASE_URL="http://127.0.0.1:9") as away:
        answer = away.post(path, data=ONE_CLICK)
        shown = away.post(path, data=ONE_CLICK, headers={**BROWSER, "Accept-Language": "fr"})
    with served(tmp_path / "key", postgrest, SUPABASE_SERVICE_ROLE_KEY="x") as refused:
        unknown = refused.post(path, data=ONE_CLICK)
    assert [(a.status_code, a.headers["retry-after"]) for a in (answer, shown, unknown)] == [
        (503, "60")
    ] * 3
    assert TEXTS["fr"]["away"] in shown.text


def test_the_canary_is_known(http: httpx.Client, db: psycopg.Connection) -> None:
    """So that a trial tells our route from a page that answers everything."""
    db.execute("select take_canary('https://a.example', 'canary7')")
    answer = http.post("/api/unsubscribe/canary7", data=ONE_CLICK)
    assert (answer.status_code, answer.text) == (200, "canary\n")


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_its_page_is_that_of_outreach_web(
    http: httpx.Client, mailed: Callable[[], str], language: str
) -> None:
    """To the letter, in each language."""
    accepted = {**BROWSER, "Accept-Language": f"{language}-XX,en;q=0.1"}
    known, unknown = f"/api/unsubscribe/{mailed()}", "/api/unsubscribe/x"
    asked, done = (
        http.get(known, headers=accepted),
        http.post(known, data=ONE_CLICK, headers=accepted),
    )
    missed = http.post(unknown, data=ONE_CLICK, headers=accepted)
    assert [asked.text, done.text, missed.text] == [
        page("ask", language), page("done", language), page("unknown", language),
    ]  # fmt: skip
    assert {name: asked.headers[name] for name in HEADERS} == HEADERS


def test_it_has_the_types_that_it_says() -> None:
    """As a strict web app compiles it."""
    done = subprocess.run(
        [
            MODULES / ".bin" / "tsc", "--noEmit", "--strict", "--target", "es2022",
            "--lib", "es2022,dom,dom.iterable", "--module", "esnext", "--moduleResolution",
            "bundler", ROOT / "web-app" / "lib" / "unsubscribe.ts",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == ""


def test_the_pixel_records_an_opening_with_its_class(
    http: httpx.Client, db: psycopg.Connection
) -> None:
    """A picture in any case; the database decides who fetched it. A HEAD opens nothing."""
    build = Build(db)
    campaign = build.campaign(build.account(), leads=1)
    lead = build.mail(campaign, build.begin(campaign))
    path = f"/api/track/open?id={lead}&type=campaign_lead"
    reader, scanner = {"User-Agent": "Thunderbird"}, {"User-Agent": "Barracuda Sentinel (EE)"}
    http.head(path, headers=reader)
    answers = [http.get(path, headers=scanner), http.get(path, headers=reader)]
    answers += [http.get(f"/api/track/open{query}") for query in ("", "?id=7", f"?id={uuid4()}")]
    classes = db.execute("select class from mail_events order by at").fetchall()
    assert {(a.status_code, a.headers["content-type"]) for a in answers} == {(200, "image/gif")}
    assert all(a.content.startswith(b"GIF89a") for a in answers)
    assert classes == [("machine",), ("person",)]
    assert build.fields("campaign_leads", lead, "open_class") == ("person",)

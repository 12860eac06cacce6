"""`outreach web` as a real process: what mail providers, browsers, scanners and strangers get."""

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from outreach.public import opens
from outreach.public.clients import BURST
from outreach.public.server import listen
from tests.conftest import new_database
from tests.one_click import ACTS, DOES_NOTHING, URLENCODED, Body
from tests.web_process import PROXY, Web

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de"}
HUNDRED_MB = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def running(server: SecretStr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with new_database(server) as database:
        web = Web(database, tmp_path_factory.mktemp("web"))
        yield web
        assert web.close() == 0


@pytest.fixture
def web(running: Web) -> Web:
    return running


@pytest.fixture
def http(web: Web) -> Iterator[httpx.Client]:
    with web.client() as client:
        yield client


# --- who unsubscribes -----------------------------------------------------------------------------


def test_one_click_unsubscribes_and_again_is_well(web: Web, http: httpx.Client) -> None:
    """As Gmail does it: urlencoded, without cookies, twice if an answer was lost."""
    token = web.mailed()
    answers = [http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK) for _ in range(2)]
    assert [(a.status_code, a.text) for a in answers] == [(200, "unsubscribed\n")] * 2
    assert web.suppressed(token)


def test_prometheus_gets_the_counts_on_another_port(web: Web, http: httpx.Client) -> None:
    """What strangers reach has no metrics."""
    counted = 'outreach_web_unsubscribes_total{answer="done"} '

    def done() -> float:
        text = httpx.get(web.metrics, trust_env=False).text
        return float(text.partition(counted)[2].partition("\n")[0])

    before = done()
    http.post(f"/api/unsubscribe/{web.mailed()}", data=ONE_CLICK)

    assert done() == before + 1
    assert http.get("/metrics").status_code == 404


@pytest.mark.parametrize("given", ACTS, ids=lambda given: given.name)
def test_each_valid_form_unsubscribes(web: Web, http: httpx.Client, given: Body) -> None:
    token = web.mailed()
    headers = {"Content-Type": given.type} if given.type else {}
    answer = http.post(f"/api/unsubscribe/{token}", content=given.body, headers=headers)
    assert (answer.status_code, web.suppressed(token)) == (200, True)


@pytest.mark.parametrize("given", DOES_NOTHING, ids=lambda given: given.name)
def test_nothing_else_unsubscribes(web: Web, http: httpx.Client, given: Body) -> None:
    """A browser gets the page with the button."""
    token = web.mailed()
    headers = {**BROWSER, "Content-Type": given.type}
    answer = http.post(f"/api/unsubscribe/{token}", content=given.body, headers=headers)
    assert (answer.status_code, web.suppressed(token)) == (400, False)
    assert "<button>Abmelden</button>" in answer.text


def test_a_link_that_scanners_fetch_changes_nothing(web: Web, http: httpx.Client) -> None:
    """The page has a button and no address; the database is not asked."""
    token = web.mailed()
    shown = [http.get(f"/api/unsubscribe/{token}", headers=BROWSER) for _ in range(3)]
    head = http.head(f"/api/unsubscribe/{token}")
    assert [answer.status_code for answer in (*shown, head)] == [200] * 4
    assert head.content == b""
    assert '<form method="post">' in shown[0].text
    assert token not in shown[0].text
    assert "@" not in re.sub(r"<style>.*?</style>", "", shown[0].text, flags=re.DOTALL)
    assert not web.suppressed(token)
    headers = shown[0].headers
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_slash_at_the_end_is_no_redirect(web: Web, http: httpx.Client) -> None:
    """Mail providers follow none."""
    token = web.mailed()
    assert http.post(f"/api/unsubscribe/{token}/", data=ONE_CLICK).status_code == 200
    assert web.suppressed(token)


def test_an_erased_recipient_is_answered_all_the_same(web: Web, http: httpx.Client) -> None:
    """The log has the keyed hash of the address alone."""
    token = web.mailed("0" * 64)
    assert http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK).status_code == 200


def test_the_canary_is_known_and_unsubscribes_nobody(web: Web, http: httpx.Client) -> None:
    canary = web.build.sql.take_canary(web_address="https://a.example", fresh_canary="canary7")
    answer = http.post(f"/api/unsubscribe/{canary['canary']}", data=ONE_CLICK)
    page = http.post(f"/api/unsubscribe/{canary['canary']}", data=ONE_CLICK, headers=BROWSER)
    assert (answer.status_code, answer.text) == (200, "canary\n")
    assert "Niemand wurde abgemeldet" in page.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(web: Web, http: httpx.Client, method: str) -> None:
    token = web.mailed()
    answer = http.request(
        method, f"/api/unsubscribe/{token}", content=b"List-Unsubscribe=One-Click"
    )
    assert (answer.status_code, web.suppressed(token)) == (405, False)


# --- who tries tokens -----------------------------------------------------------------------------


def test_unknown_tokens_are_limited_and_known_ones_are_not(web: Web) -> None:
    """By the client that a named proxy tells; another client is not concerned."""
    known = web.mailed()
    with web.client(PROXY) as proxy:

        def post(token: str, client: str) -> httpx.Response:
            forwarded = {"X-Forwarded-For": client}
            return proxy.post(f"/api/unsubscribe/{token}", data=ONE_CLICK, headers=forwarded)

        guesses = [f"o{uuid4().hex}" for _ in range(100)]
        answers = [post(token, f"6.6.6.{n}, 203.0.113.5") for n, token in enumerate(guesses)]
        found = post(known, "203.0.113.5")
        other = post(uuid4().hex, "203.0.113.6")
    assert [answer.status_code for answer in answers[:BURST]] == [404] * BURST
    # A slow machine earns a few more.
    assert [answer.status_code for answer in answers].count(429) > 100 - BURST - 10
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert (found.status_code, web.suppressed(known)) == (200, True)
    assert other.status_code == 404


def test_what_cannot_be_a_token_is_not_looked_for(http: httpx.Client) -> None:
    for token in ("a" * 300, "%00", "..%2f", "a b", "%C3%A4"):
        assert http.get(f"/api/unsubscribe/{token}").status_code == 404
    assert http.get("/api/unsubscribe/").status_code == 404


# --- large bodies ---------------------------------------------------------------------------------


def test_a_large_body_is_refused_before_it_is_sent(web: Web) -> None:
    """100 MB are told, none is read."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as stream:
        stream.sendall(_head(web.mailed(), f"Content-Length: {HUNDRED_MB}"))
        assert stream.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_an_unknown_length_is_read_up_to_the_limit(web: Web) -> None:
    """In chunks, without an end: the answer comes after 16 KB."""
    token, chunk = web.mailed(), b"1000\r\n" + b"a" * 4096 + b"\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as stream:
        stream.sendall(_head(token, "Transfer-Encoding: chunked") + chunk * 5)
        assert stream.recv(1000).startswith(b"HTTP/1.1 413 ")
    assert not web.suppressed(token)


def test_a_body_that_does_not_come_is_not_waited_for(web: Web) -> None:
    """Else a few clients would take all connections."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as stream:
        stream.sendall(_head(web.mailed(), "Content-Length: 26") + b"List-")
        assert stream.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_all_of_a_large_body_leaves_it_as_small_as_it_was(web: Web, http: httpx.Client) -> None:
    """Sent by a client that does not wait for the answer."""
    token, before = web.mailed(), psutil.Process(web.process.pid).memory_info().rss
    answer = http.post(f"/api/unsubscribe/{token}", content=b"a" * HUNDRED_MB)
    after = psutil.Process(web.process.pid).memory_info().rss
    assert answer.status_code == 413
    assert after - before < 10_000_000


def _head(token: str, line: str) -> bytes:
    return (
        f"POST /api/unsubscribe/{token} HTTP/1.1\r\nHost: x\r\nContent-Type: {URLENCODED}\r\n"
        f"{line}\r\n\r\n"
    ).encode()


# --- the database is away -------------------------------------------------------------------------


@pytest.mark.slow  # each request waits as long as it may
def test_without_a_database_nothing_is_shown_as_done(server: SecretStr, web: Web) -> None:
    """503 with Retry-After, in words for a browser; afterwards the same link works."""
    token, lead = web.mailed(), uuid4()
    name = sql.Identifier(str(conninfo_to_dict(web.database.get_secret_value())["dbname"]))
    with psycopg.connect(server.get_secret_value(), autocommit=True) as owner, web.client() as http:
        owner.execute(sql.SQL("alter database {} allow_connections false").format(name))
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> %s",
            (name._obj[0], web.db.info.backend_pid),
        )
        try:
            answer = http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK)
            page = http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK, headers=BROWSER)
            health = http.get("/health")
            pixel = http.get(f"/api/track/open?id={lead}&type=campaign_lead")
            asked = http.get(f"/api/unsubscribe/{token}")
        finally:
            owner.execute(sql.SQL("alter database {} allow_connections true").format(name))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert (page.status_code, page.headers["retry-after"]) == (503, "60")
        assert "Sie sind noch nicht abgemeldet" in page.text
        assert "<button>Abmelden</button>" in page.text
        assert (health.status_code, pixel.status_code, asked.status_code) == (503, 200, 200)
        until(lambda: http.get("/health").status_code == 200)
        assert http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK).status_code == 200
    assert web.suppressed(token)


def until(holds: Any) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline


# --- the open pixel, the log ----------------------------------------------------------------------


def test_the_pixel_records_the_first_opening(web: Web, http: httpx.Client) -> None:
    """A picture of one pixel, in any case; a HEAD opens nothing, a scanner is no opening."""
    campaign = web.build.campaign(web.build.account(), leads=1)
    (lead,) = web.db.execute(
        "select id from campaign_leads where campaign_id = %s", (campaign,)
    ).fetchone() or (UUID(int=0),)
    path = f"/api/track/open?id={lead}&type=campaign_lead"

    def classes() -> list[str]:
        rows = web.db.execute(
            "select class from mail_events where campaign_lead_id = %s order by at", (lead,)
        )
        return [name for (name,) in rows]

    http.head(path)
    http.get(path, headers={"User-Agent": "Barracuda Sentinel (EE)"})
    until(lambda: len(classes()) == 1)
    assert web.build.fields("campaign_leads", lead, "opened_at") == (None,)

    answer = http.get(path, headers={"User-Agent": "Mozilla/5.0 Thunderbird/128"})
    until(lambda: len(classes()) == 2)
    first = web.build.fields("campaign_leads", lead, "opened_at")
    http.get(path)
    until(lambda: len(classes()) == 3)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"GIF89a\x01\x00\x01\x00")
    assert classes() == ["machine", "person", "machine"]
    assert first != (None,)
    assert web.build.fields("campaign_leads", lead, "opened_at") == first


@pytest.mark.slow  # a server of its own
def test_every_fetch_is_recorded_but_the_last_before_a_kill(
    server: SecretStr, tmp_path: Path
) -> None:
    """By eight clients at once; then amid the fetches of one: no hole before the last write."""
    with new_database(server) as database:
        web = Web(database, tmp_path)
        campaign = web.build.campaign(web.build.account())
        leads = [
            lead
            for (lead,) in web.db.execute(
                "insert into campaign_leads (campaign_id, status)"
                " select %s, 'pending' from generate_series(1, 5020) returning id",
                (campaign,),
            )
        ]
        often, once = leads[:20] * 30, leads[20:]
        asked: list[UUID] = []

        def fetch(part: list[UUID]) -> None:
            with web.client() as http:
                for lead in part:
                    assert http.get(f"/api/track/open?id={lead}").status_code == 200

        def fetch_until_it_is_gone() -> None:
            with web.client() as http, suppress(httpx.TransportError):
                for lead in once:
                    asked.append(lead)
                    http.get(f"/api/track/open?id={lead}")

        def recorded() -> int:
            (found,) = web.db.execute("select count(*) from mail_events").fetchone() or (0,)
            return int(found)

        with ThreadPoolExecutor(8) as clients:
            list(clients.map(fetch, [often[n::8] for n in range(8)]))
            until(lambda: recorded() == 600)
            per_lead = web.db.execute(
                "select distinct count(*) from mail_events group by campaign_lead_id"
            ).fetchall()
            clients.submit(fetch_until_it_is_gone)
            until(lambda: recorded() > 650)
            web.process.kill()
            web.process.wait(20)
        kept = web.db.execute(
            "select campaign_lead_id from mail_events where campaign_lead_id = any (%s)", (once,)
        ).fetchall()
        assert per_lead == [(30,)]
        assert {lead for (lead,) in kept} == set(asked[: len(kept)])
        assert len(kept) > 50
        assert opens.SECONDS < 1
        web.close()


@pytest.mark.parametrize("query", ["", "?id=", "?id=7", f"?id={UUID(int=7)}", "?id=%00"])
def test_a_pixel_of_nothing_is_a_picture_too(http: httpx.Client, query: str) -> None:
    assert http.get(f"/api/track/open{query}").headers["content-type"] == "image/gif"


def test_the_log_has_a_line_for_each_request_and_no_token(web: Web, http: httpx.Client) -> None:
    """Nor a query, which has the lead's id."""
    token, lead = web.mailed(), uuid4()
    http.post(f"/api/unsubscribe/{token}", data=ONE_CLICK)
    http.get(f"/api/track/open?id={lead}&type=campaign_lead")
    http.get(f"/api/unsubscribe/{token}%0a%1b[31m")
    for misspelt in ("/api/unsubscribe//{}", "//api//unsubscribe/{}", "/API/Unsubscribe/{}/more"):
        http.get(misspelt.format(token))
    log = web.log.read_text()
    assert re.search(r"^\S+ \S+ POST /api/unsubscribe/… 200 \d+ ms$", log, re.MULTILINE)
    assert re.search(r" GET /api/track/open 200 \d+ ms$", log, re.MULTILINE)
    assert not re.search(rf"{token}|{lead}|o[0-9a-f]{{32}}|Traceback|\x1b", log)


def test_an_answer_does_not_wait_for_its_acknowledgement() -> None:
    """What comes over a kept connection would take 40 ms more."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

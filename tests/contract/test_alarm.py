"""What wakes a dispatcher: on a real Postgres, and where notifications do not come through."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from outreach.errors import StoreUnavailable
from outreach.settings import Settings
from outreach.store import alarm
from outreach.store.alarm import Notifications, Polls, SilentError
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.pgbouncer import transaction_pooling

LONG = 20.0
NOTIFY = "select pg_notify('outreach_due', '')"


@pytest.fixture
def probe(db: psycopg.Connection) -> Callable[[UUID], None]:
    """From another session, as the store does."""

    def notify(probe: UUID) -> None:
        db.execute("select probe_dispatcher(%s)", [probe])

    return notify


@pytest.fixture
def listening(database: SecretStr, probe: Callable[[UUID], None]) -> Iterator[Notifications]:
    opened = Notifications(database, probe)
    yield opened
    opened.close()


def test_a_notification_wakes_it(listening: Notifications, db: psycopg.Connection) -> None:
    db.execute(NOTIFY)
    assert listening.wait(LONG)


def test_one_that_came_before_it_waited_wakes_it_too(
    listening: Notifications, db: psycopg.Connection
) -> None:
    """Also when it was read together with the proof that the session lives."""
    listening.wait(0)
    db.execute(NOTIFY)
    listening._probe_at = 0.0
    assert listening.wait(LONG)


def test_without_one_it_waits_no_longer_than_told(listening: Notifications) -> None:
    assert not listening.wait(0.05)


def test_a_session_that_was_ended_is_told(listening: Notifications, db: psycopg.Connection) -> None:
    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where query ilike 'listen%' and pid <> pg_backend_pid()"
    )
    with pytest.raises(StoreUnavailable):
        listening.wait(LONG)


def test_one_that_comes_with_the_proof_wakes_it(
    database: SecretStr, db: psycopg.Connection
) -> None:
    """In one packet, the proof first."""

    def notify(probe: UUID) -> None:
        with db.transaction():
            db.execute("select probe_dispatcher(%s)", [probe])
            db.execute(NOTIFY)

    listening = Notifications(database, notify)
    listening._probe_at = 0.0
    assert listening.wait(0.0)
    listening.close()


def test_a_database_that_is_away_is_told(probe: Callable[[UUID], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StoreUnavailable):
        Notifications(SecretStr(f"postgresql://nobody@127.0.0.1:{port}/nothing"), probe)


# --- a pooler in transaction mode ----------------------------------------------------------------


@contextmanager
def pooler(url: SecretStr) -> Iterator[SecretStr]:
    """Takes LISTEN and passes no notification on, as PgBouncer does in transaction mode."""
    at = psycopg.conninfo.conninfo_to_dict(url.get_secret_value())
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", int(str(at["port"]))))
            threading.Thread(target=_pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=_pass, args=(far, near, True), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    port = server.getsockname()[1]
    own = {"host": "127.0.0.1", "port": port, "sslmode": "disable", "gssencmode": "disable"}
    yield SecretStr(make_conninfo(url.get_secret_value(), **own))
    ended.set()
    server.close()


def _pass(source: socket.socket, target: socket.socket, silence: bool) -> None:
    """Copies messages; of the server's it leaves out notifications (type A)."""
    left = b""
    while True:
        try:
            if not (more := source.recv(65536)):
                break
            if not silence:
                target.sendall(more)
                continue
            left += more
            while len(left) >= 5 and len(left) >= (size := 1 + int.from_bytes(left[1:5], "big")):
                message, left = left[:size], left[size:]
                if message[:1] != b"A":
                    target.sendall(message)
        except OSError:
            break
    target.close()


def test_a_pooler_that_swallows_notifications_is_found_out(
    database: SecretStr, probe: Callable[[UUID], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the database is asked every second."""
    monkeypatch.setattr(alarm, "PROOF_SECONDS", 0.5)
    with pooler(database) as url:
        with pytest.raises(SilentError):
            Notifications(url, probe)
        store = Store(Postgres(database), Settings.only(database_url=database), url)
        assert store.alarm().kind == "polls"


@pytest.mark.slow
def test_pgbouncer_in_transaction_mode_is_found_out(
    database: SecretStr, probe: Callable[[UUID], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its own calls go through it, too, or past it. Behind it all else works."""
    monkeypatch.setattr(alarm, "PROOF_SECONDS", 0.5)
    with transaction_pooling(database) as url:
        with pytest.raises(SilentError):
            Notifications(url, probe)
        store = Store(Postgres(url), Settings.only(database_url=url), url)
        with closing(store), closing(store.alarm()) as found:
            assert found.kind == "polls"
            assert not found.wait(0.05)
            assert store.lead_dispatch(uuid4(), "worker", found.kind, 90)
            assert [one.woken_by for one in store.dispatcher_state().dispatchers] == ["polls"]


def test_a_session_that_falls_silent_is_told(
    listening: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that died half-open says nothing by itself."""
    monkeypatch.setattr(alarm, "PROOF_SECONDS", 0.2)
    listening._connection.execute("unlisten *")
    listening._probe_at = 0.0
    with pytest.raises(StoreUnavailable):
        listening.wait(LONG)


# --- polls ---------------------------------------------------------------------------------------


def test_polls_tell_when_a_campaign_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "POLL_SECONDS", 0.0)
    seconds: Any = iter([30.0, None, 0.0])
    assert Polls(lambda: next(seconds)).wait(LONG)


def test_polls_end_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "POLL_SECONDS", 0.01)
    assert not Polls(lambda: None).wait(0.05)


def test_a_session_address_that_leads_nowhere_leaves_polls(database: SecretStr) -> None:
    """With Supabase's Data API, DATABASE_URL may have served migrations alone."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = SecretStr(f"postgresql://nobody@127.0.0.1:{port}/nothing")
    store = Store(Postgres(database), Settings.only(database_url=database), nowhere)
    assert isinstance(store.alarm(), Polls)


def test_a_session_of_another_database_is_found_out(
    database: SecretStr, server: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DATABASE_URL of a staging project, say."""
    monkeypatch.setattr(alarm, "PROOF_SECONDS", 0.5)
    store = Store(Postgres(database), Settings.only(database_url=database), server)
    assert isinstance(store.alarm(), Polls)


def test_without_a_session_address_it_polls(database: SecretStr) -> None:
    """Over PostgREST alone."""
    store = Store(Postgres(database), Settings.only(database_url=database))
    assert isinstance(store.alarm(), Polls)

"""A SQL function called over either transport: the same arguments, the same rows."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.errors import ConfigurationError, StoreFull, StoreUnavailable
from outreach.store import errors as failures
from outreach.store import postgres
from outreach.store.calls import Transport
from outreach.store.errors import CallRefused
from outreach.store.postgres import Postgres
from outreach.store.store import Store

ECHO = """
create function public.echo(
  u uuid default null, t timestamptz default null, w time default null, x text default 'default',
  f double precision default null, n integer default null, b boolean default null,
  xs text[] default null, ns integer[] default null, us uuid[] default null, j jsonb default null
) returns setof jsonb language sql as $$
  select jsonb_build_object(
    'u', u, 't', t, 'w', w, 'x', x, 'f', f, 'n', n, 'b', b, 'xs', xs, 'ns', ns, 'us', us, 'j', j)
$$;
create function public.count_to(most integer) returns setof jsonb language sql as $$
  select jsonb_build_object('n', n) from generate_series(1, most) n
$$;
create function public.fail_with(code text) returns setof jsonb language plpgsql as $$
begin
  raise exception using errcode = code, message = 'it failed', detail = 'Failing row contains (hush).';
end
$$;
create table public.tries (n integer);
create sequence public.tried;
create function public.deadlocked(times integer) returns setof jsonb language plpgsql as $$
begin
  if nextval('public.tried') <= times then
    raise exception using errcode = '40P01', message = 'deadlock detected';
  end if;
  return next '{"answer": "at last"}'::jsonb;
end
$$;
grant usage on sequence public.tried to public;
create function public.backend() returns setof jsonb language sql as $$
  select jsonb_build_object('pid', pg_backend_pid())
$$;
create function public.wait_for(lock integer) returns setof jsonb language sql as $$
  select jsonb_build_object('lock', lock) from pg_advisory_xact_lock(lock)
$$;
"""


@pytest.fixture
def transport(db: psycopg.Connection, transport: Transport) -> Transport:  # noqa: ARG001
    return transport


@pytest.fixture
def database(database: SecretStr) -> SecretStr:
    """With functions of the test's own, there before PostgREST reads the schema."""
    with psycopg.connect(database.get_secret_value(), autocommit=True) as owner:
        owner.execute(ECHO.encode())
    return database


def echo(transport: Transport, **arguments: Any) -> dict[str, Any]:
    (row,) = transport.call("echo", **arguments)
    return {name: row[name] for name in arguments}


# --- types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"x": ""},
        {"x": "Zoë “Ünlimited” ☃ 𝄞 \\ ' \" \n\t"},
        {"f": 0.1, "n": -7, "b": False},
        {"f": 1e-9, "n": 2**31 - 1, "b": True},
        {"xs": [], "ns": [], "us": []},
        {"xs": ["a,b", '"', "{}", "", "null", "☃"], "ns": [1, 7]},
        {"x": None, "u": None, "t": None, "w": None, "f": None, "n": None, "b": None, "xs": None},
        {"j": None},
        {"j": {}},
        {"j": {"a": [1, 1.5, True, None, {"b": ["☃", {}]}], "": "\\u0041 \" '", "n": 2**53 - 1}},
        {"j": [{"email": "zoë@x.test", "custom_fields": {"deep": {"er": [None]}}}]},
    ],
    ids="-".join,
)
def test_what_is_given_arrives(transport: Transport, given: dict[str, Any]) -> None:
    """Text, numbers, arrays, nulls and nested JSON, to the last character."""
    assert echo(transport, **given) == given


def test_ids_arrive_as_they_are(transport: Transport) -> None:
    """Alone and in arrays."""
    one, two = uuid4(), uuid4()

    answer = echo(transport, u=one, us=[one, two])

    assert (UUID(answer["u"]), [UUID(each) for each in answer["us"]]) == (one, [one, two])


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC),
        datetime(2026, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_moment_arrives_with_its_zone(transport: Transport, moment: datetime) -> None:
    """To the microsecond, and aware on its way back."""
    answer = datetime.fromisoformat(echo(transport, t=moment)["t"])

    assert answer.tzinfo is not None
    assert answer == moment


def test_a_time_of_day_arrives(transport: Transport) -> None:
    """As the sending window has it."""
    assert echo(transport, w=time(9, 30)) == {"w": "09:30:00"}


def test_what_is_none_is_null_and_not_the_default(transport: Transport) -> None:
    """So that a call means the same on both."""
    assert echo(transport, x=None) == {"x": None}
    assert transport.call("echo")[0]["x"] == "default"


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_a_set_arrives_row_by_row_in_its_order(transport: Transport, rows: int) -> None:
    """None, one, many: always a list."""
    answer = transport.call("count_to", most=rows)

    assert [row["n"] for row in answer] == list(range(1, rows + 1))


def test_pages_give_each_of_more_than_a_thousand_rows_once(
    store: Store, db: psycopg.Connection
) -> None:
    """Where PostgREST cuts every answer off."""
    db.execute("insert into campaigns (name) select 'c' || n from generate_series(1, 2203) n")

    names = [campaign.name for campaign in store.list_campaigns()]

    assert len(names) == len(set(names)) == 2203


# --- failures -------------------------------------------------------------------------------------


def test_a_missing_function_says_to_migrate(transport: Transport) -> None:
    """An older schema than this version needs."""
    with pytest.raises(ConfigurationError, match="run `outreach db migrate`"):
        transport.call("not_yet_migrated", campaign=uuid4())


@pytest.mark.parametrize("code", ["23502", "23503", "22023"])
def test_a_refusal_is_told_without_the_row_that_it_quotes(transport: Transport, code: str) -> None:
    """Whoever logs it logs no token."""
    with pytest.raises(CallRefused) as caught:
        transport.call("fail_with", code=code)

    told = f"{caught.value} {caught.value!r}"
    assert code in told
    assert "hush" not in told


def test_a_full_disk_is_not_a_database_that_is_away(transport: Transport) -> None:
    """It is there and says so; a person has to make room, and then all goes on."""
    with pytest.raises(StoreFull, match="The database's disk is full; make room on it"):
        transport.call("fail_with", code="53100")


def test_a_call_that_lost_a_deadlock_is_made_again(transport: Transport) -> None:
    """Twice, if need be."""
    assert transport.call("deadlocked", times=2) == [{"answer": "at last"}]


def test_what_keeps_failing_is_for_the_caller_to_wait_out(
    transport: Transport, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some tries, then StoreUnavailable."""
    monkeypatch.setattr(failures, "PAUSES", (0, 0, 0))
    with pytest.raises(StoreUnavailable):
        transport.call("deadlocked", times=100)

    assert db.execute("select last_value from tried").fetchone() == (4,)


def test_many_threads_share_one_transport(transport: Transport) -> None:
    """Each gets the answer to its own question."""
    barrier = threading.Barrier(12)

    def asked(number: int) -> int:
        if number < barrier.parties:
            barrier.wait(10)
        return int(echo(transport, n=number)["n"])

    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(asked, range(120))) == list(range(120))


# --- connections --------------------------------------------------------------------------------


def test_calls_at_the_same_moment_share_a_connection(
    database: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a process of Postgres, and keeps what it has planned."""
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 60)
    barrier = threading.Barrier(6)

    def backend(transport: Transport) -> int:
        barrier.wait(10)
        return int(transport.call("backend")[0]["pid"])

    with closing(Postgres(database)) as transport, ThreadPoolExecutor(6) as threads:
        backends = set(threads.map(backend, [transport] * 60))

    assert len(backends) == 1


def test_a_long_call_does_not_hold_up_the_others(
    db: psycopg.Connection, database: SecretStr
) -> None:
    db.execute("select pg_advisory_lock(7)")
    with closing(Postgres(database)) as transport, ThreadPoolExecutor(1) as thread:
        long = thread.submit(transport.call, "wait_for", lock=7)
        while not db.execute("select 1 from pg_locks where not granted").fetchone():
            assert not long.done()

        assert [echo(transport, n=number)["n"] for number in range(3)] == [0, 1, 2]
        assert not long.done()
        db.execute("select pg_advisory_unlock(7)")
        assert long.result(10) == [{"lock": 7}]

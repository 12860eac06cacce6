"""The minute's round of a worker's dispatcher: every step gets its turn."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from deployments.worker import dispatcher as worker_dispatcher
from deployments.worker.dispatcher import LAST_ROUND, Dispatcher
from outreach import wiring
from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.settings import Settings
from outreach.store.results import Due

TIME_OUT = StoreUnavailable("The database stopped the call at its statement time-out.")


def begin(_: Due) -> UUID:
    raise AssertionError("Nothing is due")


@pytest.fixture
def dispatcher(settings: Settings) -> Iterator[Dispatcher]:
    with wiring.using(settings):
        yield Dispatcher("worker", begin)


def failing() -> None:
    raise TIME_OUT


def noting(done: list[str], name: str) -> Callable[[], None]:
    def step() -> None:
        done.append(name)

    return step


def test_a_step_that_is_timed_out_keeps_no_other_from_its_turn(dispatcher: Dispatcher) -> None:
    done: list[str] = []
    dispatcher._repaired(
        (noting(done, "a"), failing, noting(done, "b"), failing, noting(done, "c"))
    )
    assert done == ["a", "b", "c"]


def test_a_database_that_is_away_ends_the_round(dispatcher: Dispatcher) -> None:
    done: list[str] = []
    with pytest.raises(StoreUnavailable):
        dispatcher._repaired((failing, failing, noting(done, "a")))
    assert done == []


def test_who_loses_the_lead_in_a_long_step_does_not_begin_with_it_again(
    dispatcher: Dispatcher, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers that sweep longer than a lead lasts would never come to the step after it."""
    done: list[str] = []

    def sweeping() -> None:
        done.append("sweep")
        db.execute("update dispatchers set lease_until = null")
        db.execute(
            "insert into dispatchers (id, name, woken_by, seen_at, lease_until)"
            " values (%s, 'another', 'polls', now(), now() + interval '90 s')",
            (uuid4(),),
        )

    steps = (sweeping, noting(done, "retention"))
    monkeypatch.setattr(worker_dispatcher, "HOURLY", steps)
    dispatcher._repaired(steps)
    assert done == ["sweep"]
    db.execute("delete from dispatchers where name = 'another'")
    dispatcher._repaired(tuple(dispatcher._hourly(time.monotonic())))
    assert done == ["sweep", "retention"]


def test_a_round_in_which_a_step_failed_was_not_whole(dispatcher: Dispatcher) -> None:
    """Else the alert for a dispatcher that does nothing would stay silent."""

    def broken() -> None:
        raise ValueError

    before = LAST_ROUND._value.get()
    dispatcher._repaired((broken,))
    assert LAST_ROUND._value.get() == before
    dispatcher._repaired(())
    assert LAST_ROUND._value.get() > before


def test_without_a_deployment_nothing_starts_and_it_says_why(
    prefect_api: str,  # noqa: ARG001 - it has none
    dispatcher: Dispatcher,
) -> None:
    with pytest.raises(ConfigurationError, match="no deployment send-campaign"):
        dispatcher._start_due()
    assert dispatcher._is_on()

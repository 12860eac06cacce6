"""A run's token: what the run is told, what it does then, and who is woken up."""

import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Suspended,
)

from tasks import token
from tasks.orders import order_of
from tasks.token import Order, RunToken, StopRequest, give, is_hosted, token_of

LONG = 60.0
"""Seconds until a test that hangs fails."""


class Clock(SimpleNamespace):
    """In place of the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(token, "time", made)
    return made


def hosted() -> RunToken:
    return RunToken(uuid4(), hosted=True)


# --- what it is told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "order", "state"),
    [
        ([(Order.STOP, "")], Order.STOP, ""),
        ([(Order.STOP, ""), (Order.CANCEL, "Cancelling")], Order.CANCEL, "Cancelling"),
        ([(Order.CANCEL, "Cancelling"), (Order.STOP, "")], Order.CANCEL, "Cancelling"),
        ([(Order.HOLD, "Suspended"), (Order.STOP, "")], Order.HOLD, "Suspended"),
        ([(Order.HOLD, "Suspended"), (Order.END, "Failed")], Order.END, "Failed"),
        ([(Order.END, "Failed"), (Order.HOLD, "Suspended")], Order.END, "Failed"),
        ([(Order.END, "Failed"), (Order.CANCEL, "Cancelled")], Order.CANCEL, "Cancelled"),
        ([(Order.CANCEL, "Cancelling"), (Order.CANCEL, "Cancelled")], Order.CANCEL, "Cancelling"),
    ],
)
def test_of_several_orders_the_highest_counts(
    told: list[tuple[Order, str]], order: Order, state: str
) -> None:
    """Whichever came first: a person's word is above the process's end."""
    run = hosted()

    for one, name in told:
        run.tell(one, name)

    assert (run.order, run.state, run.stopped) == (order, state, True)


@pytest.mark.parametrize(
    ("state", "order"),
    [
        (Paused(), Order.HOLD),
        (Suspended(), Order.HOLD),
        (Cancelling(), Order.CANCEL),
        (Cancelled(), Order.CANCEL),
        (Failed(), Order.END),
        (Completed(), Order.END),
        (Crashed(), None),
        (Running(), None),
        (Pending(), None),
        (AwaitingRetry(), None),
        (None, None),
    ],
)
def test_a_state_that_a_person_sets_is_an_order(
    state: State[Any] | None, order: Order | None
) -> None:
    """Crashed is the dispatcher's word on a run that has died."""
    assert order_of(state) is order


# --- what it does ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "ends"), [(Order.STOP, StopRequest), (Order.HOLD, Pause), (Order.CANCEL, Abort)]
)
def test_a_run_ends_as_it_was_told(order: Order, ends: type[BaseException]) -> None:
    """By the errors that Prefect's engine and our flow know."""
    run = hosted()
    run.tell(order, "X")

    with pytest.raises(ends):
        run.obey()


def test_a_run_that_was_told_nothing_goes_on() -> None:
    """Also one whose campaign is no longer its own, and one that a person set to its end."""
    going_on, superseded, ended = hosted(), hosted(), hosted()
    superseded.stop()
    ended.tell(Order.END, "Failed")

    for run in (going_on, superseded, ended):
        run.obey()

    assert [run.stopped for run in (going_on, superseded, ended)] == [False, True, True]


# --- who is woken up ------------------------------------------------------------------------------


def test_a_thread_that_sleeps_on_it_is_woken_up() -> None:
    """By an order as by the loss of the campaign."""
    for end in (RunToken.stop, lambda run: run.tell(Order.STOP)):
        run = hosted()
        assert not run.wait(0)
        sleeping = ThreadPoolExecutor(1).submit(run.wait, LONG)

        end(run)

        assert sleeping.result(LONG)
        assert run.wait(0)


def test_each_callback_is_called_once() -> None:
    """However often the run is stopped; at once when it is stopped already."""
    run, called = hosted(), []
    run.when_stopped(lambda: called.append("before"))
    assert called == []

    run.tell(Order.STOP)
    run.tell(Order.CANCEL)
    run.stop()
    run.when_stopped(lambda: called.append("after"))

    assert called == ["before", "after"]


def test_a_callback_may_ask_the_token() -> None:
    """It is called outside the token's lock."""
    run, found = hosted(), []
    run.when_stopped(lambda: run.when_stopped(lambda: found.append(run.order)))

    run.tell(Order.HOLD)

    assert found == [Order.HOLD]


# --- mails in flight ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "seconds"),
    [(None, 2), (Order.STOP, 25), (Order.CANCEL, 2), (Order.HOLD, math.inf), (Order.END, math.inf)],
)
def test_a_hosted_run_waits_for_its_mails_in_flight_as_its_end_allows(
    clock: Clock, order: Order | None, seconds: float
) -> None:
    """From the first word on, and never less than not at all."""
    run = hosted()
    assert run.in_flight_seconds == math.inf

    run.stop() if order is None else run.tell(order)

    assert run.in_flight_seconds == seconds
    clock.now += 1.5
    run.stop()
    assert run.in_flight_seconds == seconds - 1.5
    clock.now += 100
    assert run.in_flight_seconds == (0 if seconds < math.inf else math.inf)


def test_a_run_of_its_own_process_waits_for_all_of_them() -> None:
    """Its process is ended if it takes too long."""
    run = RunToken(uuid4())
    run.tell(Order.STOP)

    assert run.in_flight_seconds == math.inf


# --- whose it is ----------------------------------------------------------------------------------


def test_a_run_has_one_token_in_all_its_threads() -> None:
    """Each gets a copy of the run's context; the next run of the same process gets another."""

    def run() -> None:
        first, second = uuid4(), uuid4()
        made = token_of(first)
        assert copy_context().run(token_of, first) is made
        assert (made.run, made.hosted, is_hosted()) == (first, False, False)
        assert token_of(second) is not made

    copy_context().run(run)


def test_a_hosted_run_has_the_token_that_its_worker_gave() -> None:
    """So it hears what the worker tells."""

    def run() -> None:
        given = hosted()
        give(given)
        assert token_of(given.run) is given
        assert is_hosted()

    copy_context().run(run)

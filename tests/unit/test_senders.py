"""Sends of all runs of a process: each at its time, so many of a run at once, none after its end."""

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from types import SimpleNamespace as Namespace
from typing import Any

import pytest

from tasks.senders import Gate, Senders

PAST = 0.0
"""A time of the monotonic clock."""
NEVER = math.inf
LONG = 60.0
"""Seconds until a test that hangs fails."""


class Call:
    """A send that lasts until it is released."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.release = threading.Event()

    def __call__(self) -> None:
        self.began.set()
        assert self.release.wait(LONG)


@pytest.fixture
def senders() -> Senders:
    return Senders()


@pytest.fixture
def calls() -> Iterator[list[Call]]:
    """Sends that last, at the longest until the test's end."""
    made = [Call() for _ in range(3)]
    yield made
    for call in made:
        call.release.set()


def never() -> None:
    raise AssertionError("This was not to run")


# --- when -----------------------------------------------------------------------------------------


def test_the_earliest_due_of_all_runs_is_sent_first(senders: Senders) -> None:
    """Whatever the order in which they came; of two for the same time, the first that came."""
    senders._threads = ThreadPoolExecutor(1)  # they end in the order in which they begin
    one, another = senders.open(10), senders.open(10)
    ran: list[str] = []
    given = [(one, 3, "c"), (another, 3, "d"), (another, 2, "b"), (one, 1, "a"), (one, 4, "e")]
    with senders._changed:  # none begins before all are there
        sends = [
            senders.submit(queue, due, lambda name=name: ran.append(name))  # type: ignore[misc]
            for queue, due, name in given
        ]

    for send in sends:
        send.result(LONG)

    assert ran == ["a", "b", "c", "d", "e"]


def test_a_send_that_waits_for_its_time_takes_no_thread(senders: Senders) -> None:
    """Nor does it hold up one that is due."""
    queue = senders.open(1)
    for _ in range(500):
        senders.submit(queue, NEVER, never)

    assert senders.submit(queue, PAST, lambda: "sent").result(LONG) == "sent"
    senders._threads.shutdown()  # a thread is counted only some time after it has begun
    assert len(senders._threads._threads) == 1


def test_an_earlier_send_overtakes_one_that_waits(senders: Senders) -> None:
    """The clock that sleeps until the first is woken up by the second."""
    queue = senders.open(1)
    first = senders.submit(queue, NEVER, never)

    assert senders.submit(queue, PAST, lambda: "sent").result(LONG) == "sent"
    assert not first.done()


# --- how many -------------------------------------------------------------------------------------


def test_of_one_run_so_many_are_sent_at_once(senders: Senders, calls: list[Call]) -> None:
    """The next one begins when one has ended."""
    queue = senders.open(2)
    for call in calls:
        senders.submit(queue, PAST, call)
    assert calls[0].began.wait(LONG)
    assert calls[1].began.wait(LONG)
    with senders._changed:
        assert (queue.running, len(queue.waiting)) == (2, 1)
    assert not calls[2].began.is_set()

    calls[1].release.set()

    assert calls[2].began.wait(LONG)
    with senders._changed:
        assert queue.running == 2


def test_no_more_are_ever_sent_at_once(senders: Senders) -> None:
    """A hundred that could all go."""
    queue, inside, most = senders.open(3), threading.Semaphore(3), count()

    def send() -> None:
        assert inside.acquire(blocking=False)
        next(most)
        inside.release()

    for one in [senders.submit(queue, PAST, send) for _ in range(100)]:
        one.result(LONG)

    assert next(most) == 100


def test_what_is_due_is_sent_by_the_thread_that_got_free(
    senders: Senders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other one is woken for it."""
    woken, submit = list[Any](), senders._threads.submit

    def counted(*call: Any) -> None:
        woken.append(call)
        submit(*call)

    monkeypatch.setattr(senders._threads, "submit", counted)
    queue = senders.open(1)
    with senders._changed:  # none begins before all are there
        sends = [senders.submit(queue, PAST, threading.get_ident) for _ in range(100)]

    assert len({send.result(LONG) for send in sends}) == 1
    assert len(woken) == 1


def test_the_clock_hears_of_a_place_whose_thread_went_on_with_another_run(
    senders: Senders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is due soon in that place would wait until the thread comes back."""
    senders._clock = threading.current_thread()  # this test decides what it does
    one, other, soon = senders.open(1), senders.open(1), time.monotonic() + LONG
    senders.submit(one, PAST, lambda: None)
    senders.submit(one, soon, never)
    senders.submit(other, PAST + 1, lambda: None)
    heard: list[float] = []
    taken = senders._next()
    monkeypatch.setattr(senders._changed, "notify_all", lambda: heard.append(senders._next_due()))

    senders._run(*taken)

    assert heard == [soon, soon]
    assert not other.waiting


def test_a_send_whose_thread_was_refused_is_the_next_of_those_there_are(
    senders: Senders, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has none left: the one that gets free takes no other one first."""
    senders._threads, asleep, awake = ThreadPoolExecutor(1), threading.Event(), threading.Event()
    submit = senders._threads.submit

    def refused(*call: Any) -> None:
        submit(*call)
        if refusing in call:
            raise RuntimeError("can't start new thread")

    def sleep(_: float) -> None:
        asleep.set()
        assert awake.wait(LONG)

    monkeypatch.setattr(senders._threads, "submit", refused)
    monkeypatch.setattr("tasks.senders.time", Namespace(monotonic=time.monotonic, sleep=sleep))
    queue, refusing, ran = senders.open(3), senders.open(3), list[str]()
    senders.submit(queue, PAST, calls[0])
    assert calls[0].began.wait(LONG)
    first = senders.submit(refusing, PAST, partial(ran.append, "refused"))
    assert asleep.wait(LONG)
    other = senders.submit(queue, PAST, partial(ran.append, "other"))

    calls[0].release.set()
    first.result(LONG)
    awake.set()
    other.result(LONG)

    assert ran == ["refused", "other"]


def test_a_send_that_waits_for_a_thread_is_not_overtaken(
    senders: Senders, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a later one of the run whose thread got free."""
    senders._threads, handed_over, ran = ThreadPoolExecutor(1), threading.Event(), list[str]()
    one, other = senders.open(1), senders.open(1)
    submit = senders._threads.submit

    def noted(*call: Any) -> None:
        submit(*call)
        if other in call:
            handed_over.set()

    monkeypatch.setattr(senders._threads, "submit", noted)
    senders.submit(one, PAST, calls[0])
    assert calls[0].began.wait(LONG)
    later = senders.submit(one, PAST, partial(ran.append, "later"))
    waiting = senders.submit(other, PAST, partial(ran.append, "waiting"))
    assert handed_over.wait(LONG)

    calls[0].release.set()
    waiting.result(LONG)
    later.result(LONG)

    assert ran == ["waiting", "later"]


def test_a_run_whose_sends_all_hang_delays_no_other(senders: Senders, calls: list[Call]) -> None:
    """Its waiting ones are due before the other run's."""
    full, other = senders.open(2), senders.open(1)
    hanging = [senders.submit(full, PAST, call) for call in calls]
    assert calls[1].began.wait(LONG)

    assert senders.submit(other, PAST + 1, lambda: "sent").result(LONG) == "sent"
    assert not any(one.done() for one in hanging)


def test_an_error_is_the_sends_own(senders: Senders) -> None:
    """The thread and the place go on."""
    queue = senders.open(1)

    def fail() -> None:
        raise ValueError("lead")

    failed = senders.submit(queue, PAST, fail)

    with pytest.raises(ValueError, match="lead"):
        failed.result(LONG)
    assert senders.submit(queue, PAST, lambda: "sent").result(LONG) == "sent"


# --- the end --------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_sends_nothing_that_has_not_begun(
    senders: Senders, calls: list[Call]
) -> None:
    """Who waits for these hears of it; what is in flight ends, and another run goes on."""
    queue, other = senders.open(1), senders.open(1)
    in_flight = senders.submit(queue, PAST, calls[0])
    assert calls[0].began.wait(LONG)
    waiting = [senders.submit(queue, due, never) for due in (PAST, NEVER)]
    told: list[Future[Any]] = []
    for one in waiting:
        one.add_done_callback(told.append)
    others = senders.submit(other, NEVER, never)

    senders.drop(queue)

    assert (told, [one.cancelled() for one in waiting]) == (waiting, [True, True])
    assert (in_flight.cancelled(), others.cancelled()) == (False, False)
    calls[0].release.set()
    assert in_flight.result(LONG) is None


def test_what_comes_after_the_stop_is_not_sent_either(senders: Senders) -> None:
    """A run is stopped while it hands over its leads: nobody waits for the time of the last ones."""
    queue = senders.open(1)
    senders.drop(queue)

    late = senders.submit(queue, PAST, never)

    with pytest.raises(CancelledError):
        late.result(LONG)


def test_the_end_waits_for_the_mails_in_flight(senders: Senders, calls: list[Call]) -> None:
    """And for no others."""
    queue = senders.open(1)
    in_flight, waiting = (senders.submit(queue, PAST, call) for call in calls[:2])
    assert calls[0].began.wait(LONG)
    closed = ThreadPoolExecutor(1).submit(senders.close, queue, math.inf)
    with pytest.raises(CancelledError):
        waiting.result(LONG)
    assert not closed.done()

    calls[0].release.set()

    closed.result(LONG)
    assert in_flight.done()


def test_the_end_waits_no_longer_than_it_may(senders: Senders, calls: list[Call]) -> None:
    """A mail that takes longer is recorded by its thread."""
    queue = senders.open(1)
    in_flight = senders.submit(queue, PAST, calls[0])
    assert calls[0].began.wait(LONG)

    senders.close(queue, 0)

    assert not in_flight.done()
    calls[0].release.set()
    assert in_flight.result(LONG) is None


# --- the gate -------------------------------------------------------------------------------------


class Passing:
    """A mail that asks for a place, in a thread, and keeps it until it is released."""

    def __init__(self, gate: Gate) -> None:
        self.stopped = threading.Event()
        self.inside = threading.Event()
        self.release = threading.Event()
        self.got = ThreadPoolExecutor(1).submit(self._pass, gate)

    def _pass(self, gate: Gate) -> bool:
        with gate.place(self.stopped.is_set) as got:
            if got:
                self.inside.set()
                assert self.release.wait(LONG)
            return got


def test_a_gate_that_is_widened_lets_the_waiting_in() -> None:
    """It begins shut."""
    gate = Gate()
    first, second = Passing(gate), Passing(gate)
    assert (first.inside.is_set(), second.inside.is_set()) == (False, False)

    gate.resize(2)

    assert (first.inside.wait(LONG), second.inside.wait(LONG)) == (True, True)
    for one in (first, second):
        one.release.set()
        assert one.got.result(LONG)
    assert gate.wait_until_empty(0)


def test_a_gate_that_is_narrowed_puts_nobody_out_and_lets_nobody_in() -> None:
    """Until as many have left."""
    gate = Gate()
    gate.resize(2)
    inside = [Passing(gate) for _ in range(2)]
    assert all(one.inside.wait(LONG) for one in inside)

    gate.resize(1)
    inside[0].release.set()
    assert inside[0].got.result(LONG)

    with gate.place(lambda: True) as got:  # one is inside still
        assert not got
    assert not gate.wait_until_empty(0)
    inside[1].release.set()
    assert inside[1].got.result(LONG)
    with gate.place(lambda: True) as got:
        assert got


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    """A run with many mails does not come before one that has waited for longer."""
    gate, passing = Gate(), []
    for number in range(1, 4):
        passing.append(Passing(gate))
        while len(gate._waiting) < number:
            passing[-1].inside.wait(0.01)

    gate.resize(1)

    for number, one in enumerate(passing):
        assert one.inside.wait(LONG)
        assert [later.inside.is_set() for later in passing[number + 1 :]] == [False] * (2 - number)
        one.release.set()
        assert one.got.result(LONG)


def test_a_mail_of_a_run_that_is_stopped_waits_no_longer_at_the_gate() -> None:
    """It takes no place."""
    gate = Gate()
    waiting = Passing(gate)

    waiting.stopped.set()

    assert waiting.got.result(LONG) is False
    assert gate.wait_until_empty(0)


def test_a_place_comes_back_after_an_error() -> None:
    """Or the process would send less with each."""
    gate = Gate()
    gate.resize(1)

    with pytest.raises(ValueError, match="lead"), gate.place(lambda: False):
        raise ValueError("lead")

    assert gate.wait_until_empty(0)


def test_a_send_begins_at_once_while_another_run_waits_for_its_end(
    senders: Senders, calls: list[Call]
) -> None:
    """Whoever waits longest: the clock is woken."""
    one, another = senders.open(10), senders.open(10)
    senders.submit(one, PAST, calls[0])
    assert calls[0].began.wait(LONG)
    closing = threading.Thread(target=senders.close, args=(one, LONG))
    closing.start()
    while not one.dropped:
        threading.Event().wait(0.01)
    for call in calls[1:]:  # with the first one the clock goes to the end of the line
        senders.submit(another, PAST, call)
        assert call.began.wait(LONG / 4)
    calls[0].release.set()
    closing.join(LONG)
    assert not closing.is_alive()

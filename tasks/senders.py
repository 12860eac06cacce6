"""The sender threads of this process: each send at its time, for all runs of the process.

A send that waits for its time takes no thread, so that hundreds of paced campaigns need only as
many threads as mails are in flight.
"""

import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST_THREADS = 1000
LOOK_SECONDS = 0.5
NO_THREAD_SECONDS = 1.0
"""After the system refused a thread."""


@dataclass(order=True, slots=True)
class _Job:
    due: float
    number: int
    call: Callable[[], Any] = field(compare=False)
    future: "Future[Any]" = field(compare=False)


class Queue:
    """One run's sends that have not begun, the earliest due first."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.running = 0
        self.dropped = False
        self.waiting: list[_Job] = []

    @property
    def next_due(self) -> float:
        """Seconds of the monotonic clock; infinite when none may begin now."""
        is_free = self.waiting and self.running < self.at_once
        return self.waiting[0].due if is_free else float("inf")


class Senders:
    """Runs calls at their time, the earliest due first over all queues."""

    def __init__(self) -> None:
        self._queues: list[Queue] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="sender")
        self._clock: threading.Thread | None = None
        self._handed_over = 0
        """Calls that no thread has begun: the threads are all taken, or the system refused one."""

    def open(self, at_once: int) -> Queue:
        """A queue for one run, with at most `at_once` of its calls running."""
        with self._changed:
            if self._clock is None:
                clock = threading.Thread(target=self._run_due, name="senders", daemon=True)
                clock.start()
                self._clock = clock
            self._queues.append(queue := Queue(at_once))
        return queue

    def close(self, queue: Queue, seconds: float) -> None:
        """Wait until the calls that have begun have ended; the others never run."""
        self.drop(queue)
        with self._changed:
            self._queues.remove(queue)
            self._changed.wait_for(
                lambda: queue.running == 0, None if seconds == math.inf else seconds
            )

    def submit(self, queue: Queue, due: float, call: Callable[[], Any]) -> "Future[Any]":
        """Run `call` at `due`, in seconds of the monotonic clock."""
        job = _Job(due, next(self._number), call, Future())
        with self._changed:
            if queue.dropped:
                job.future.cancel()
            else:
                heapq.heappush(queue.waiting, job)
                if queue.waiting[0] is job:  # else the clock waits for an earlier one already
                    self._changed.notify_all()  # a run that closes waits here, too
        return job.future

    def drop(self, queue: Queue) -> None:
        """Cancel the futures of the calls that have not begun, and of those that come later."""
        with self._changed:
            queue.dropped = True
            dropped, queue.waiting = queue.waiting, []
        for job in dropped:  # outside the lock, since callbacks run
            job.future.cancel()

    def _run_due(self) -> None:
        while True:
            call: Callable[..., None] = self._run
            given: tuple[Any, ...] = self._next()
            while True:
                try:
                    self._threads.submit(call, *given)
                    break
                except RuntimeError:  # no more threads; the call waits in the queue for one
                    call, given = _nothing, ()
                    time.sleep(NO_THREAD_SECONDS)

    def _next(self) -> tuple[Queue, _Job]:
        with self._changed:
            while (taken := self._take()) is None:
                left = self._next_due() - time.monotonic()
                self._changed.wait(min(max(left, 0), threading.TIMEOUT_MAX))
            self._handed_over += 1
            return taken

    def _take(self) -> tuple[Queue, _Job] | None:
        """The earliest call, if it is due; with the lock."""
        queue = min(self._queues, key=lambda one: one.next_due, default=None)
        if queue is None or queue.next_due > time.monotonic():
            return None
        queue.running += 1
        return queue, heapq.heappop(queue.waiting)

    def _next_due(self) -> float:
        return min((queue.next_due for queue in self._queues), default=math.inf)

    def _run(self, queue: Queue, job: _Job) -> None:
        """Run a call, and then what is due already: no thread has to be woken for that."""
        with self._changed:
            self._handed_over -= 1
        taken: tuple[Queue, _Job] | None = (queue, job)
        while taken is not None:
            queue, job = taken
            try:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_result(job.call())
            except BaseException as error:  # noqa: BLE001 - the run that waits for it raises it
                job.future.set_exception(error)
            finally:
                with self._changed:
                    queue.running -= 1
                    # Those that were handed over are earlier.
                    taken = None if self._handed_over else self._take()
                    if taken is None or taken[0] is not queue:
                        self._changed.notify_all()  # the clock, and a run that closes


def _nothing() -> None:
    """What a thread is made for whose call waits already."""


class Gate:
    """The mails that this process may have in flight: a semaphore whose size can be changed.

    Places are given in the order in which they were asked for, so that no run waits for the mails
    that others come to have meanwhile.
    """

    def __init__(self) -> None:
        self._size = 0
        self._inside = 0
        self._waiting: deque[threading.Event] = deque()
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        return self._size

    @property
    def inside(self) -> int:
        """Mails in flight."""
        return self._inside

    def resize(self, size: int) -> None:
        """Who is inside stays inside."""
        with self._changed:
            self._size = size
            self._admit()

    def wait_until_empty(self, seconds: float) -> bool:
        """False when mails are in flight still."""
        with self._changed:
            return self._changed.wait_for(lambda: self._inside == 0, seconds)

    @contextmanager
    def place(self, is_stopped: Callable[[], bool]) -> Iterator[bool]:
        """One mail in flight; False without a place, when its run was stopped meanwhile."""
        got = self._enter(is_stopped)
        try:
            yield got
        finally:
            if got:
                with self._changed:
                    self._inside -= 1
                    self._admit()
                    self._changed.notify_all()

    def _enter(self, is_stopped: Callable[[], bool]) -> bool:
        with self._changed:
            if self._inside < self._size and not self._waiting:
                self._inside += 1
                return True
            self._waiting.append(turn := threading.Event())
            self._admit()
        while not turn.wait(LOOK_SECONDS):
            if is_stopped():
                return self._leave(turn)
        return True

    def _leave(self, turn: threading.Event) -> bool:
        """Wait no longer; True when its turn has just come."""
        with self._changed:
            if not turn.is_set():
                self._waiting.remove(turn)
            return turn.is_set()

    def _admit(self) -> None:
        while self._waiting and self._inside < self._size:
            self._inside += 1
            self._waiting.popleft().set()

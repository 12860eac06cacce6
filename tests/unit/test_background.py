"""Jobs beside the mails: in order, once, and none left when a run ends."""

import threading
from collections.abc import Iterator
from functools import partial
from uuid import uuid4

import httpx
import pytest

import tasks.background
from tasks.background import BackgroundJobs

LONG = 20.0
RUN, OTHER = uuid4(), uuid4()


class Held:
    """A job that lasts until the test lets it go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.done = False

    def __call__(self) -> None:
        self.begun.set()
        assert self.go_on.wait(LONG)
        self.done = True


@pytest.fixture
def jobs() -> BackgroundJobs:
    return BackgroundJobs()


@pytest.fixture
def held(jobs: BackgroundJobs) -> Iterator[Held]:
    """A job of another run keeps the thread busy."""
    job = Held()
    jobs.put(OTHER, "held", job)
    assert job.begun.wait(LONG)
    yield job
    job.go_on.set()


@pytest.mark.usefixtures("held")
def test_the_end_of_a_run_does_what_still_waits_of_its_own(jobs: BackgroundJobs) -> None:
    """In order; the jobs of other runs stay with the thread."""
    done: list[str] = []
    jobs.put(RUN, "label", lambda: done.append("label"))
    jobs.put(OTHER, "label", lambda: done.append("other"))
    jobs.put(RUN, "check", lambda: done.append("check"))

    jobs.complete(RUN)

    assert done == ["label", "check"]
    jobs.complete(RUN)
    assert done == ["label", "check"]


@pytest.mark.usefixtures("held")
def test_a_job_replaces_a_waiting_one_of_its_kind(jobs: BackgroundJobs) -> None:
    done: list[float] = []
    for percent in (10.0, 20.0, 30.0):
        jobs.put(RUN, "progress", partial(done.append, percent))

    jobs.complete(RUN)

    assert done == [30.0]


def test_the_end_of_a_run_waits_for_the_job_under_way(jobs: BackgroundJobs, held: Held) -> None:
    ended: list[str] = []

    def end() -> None:
        jobs.complete(OTHER)
        ended.append("job done" if held.done else "job under way")

    ending = threading.Thread(target=end)
    ending.start()
    held.go_on.set()
    ending.join(LONG)

    assert ended == ["job done"]


def test_a_job_that_fails_keeps_no_other(
    jobs: BackgroundJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it reach the run."""
    monkeypatch.setattr(tasks.background, "BETWEEN_SECONDS", 0.0)
    done = threading.Event()

    def fail() -> None:
        raise KeyError

    jobs.put(RUN, "check", fail)
    jobs.put(RUN, "progress", done.set)

    assert done.wait(LONG)


@pytest.mark.usefixtures("held")
def test_prefect_away_leaves_the_rest_of_an_ending_run(jobs: BackgroundJobs) -> None:
    """Each request would wait for its time-out."""
    done: list[str] = []

    def fail() -> None:
        done.append("label")
        raise httpx.ConnectError("away")

    jobs.put(RUN, "label", fail)
    jobs.put(RUN, "check", lambda: done.append("check"))

    jobs.complete(RUN)

    assert done == ["label"]


def test_a_job_that_found_prefect_away_is_repeated(
    jobs: BackgroundJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.background, "PREFECT_AWAY_SECONDS", 0.0)
    answers = iter([httpx.ConnectError("away"), httpx.ReadTimeout("away"), None])
    done = threading.Event()

    def update() -> None:
        if (answer := next(answers)) is not None:
            raise answer
        done.set()

    jobs.put(RUN, "label", update)

    assert done.wait(LONG)

"""The lines of mails that were sent: all of them, in few records."""

import logging
from contextlib import suppress

import pytest

from tasks.log import TOGETHER, SentLog


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Where no flow runs, they go to the log of the process."""
    caplog.set_level(logging.INFO, "prefect.outreach.dispatcher")
    return caplog


def interrupt() -> None:
    raise KeyboardInterrupt


def test_lines_wait_for_the_run_to_write_them(log: pytest.LogCaptureFixture) -> None:
    """The threads that send write none themselves."""
    sent = SentLog()
    with sent.kept():
        sent.add("bob")
        sent.add("100 % eve")
        assert log.messages == []

        sent.write()

        assert log.messages == ["bob\n100 % eve"]
        sent.write()
    assert log.messages == ["bob\n100 % eve"]


def test_no_record_is_longer_than_prefect_takes(log: pytest.LogCaptureFixture) -> None:
    """After a second in which the run had no time."""
    names, sent = [f"lead{number}" for number in range(TOGETHER + 1)], SentLog()
    with sent.kept():
        for name in names:
            sent.add(name)

    assert log.messages == ["\n".join(names[:-1]), names[-1]]


def test_a_run_that_is_stopped_while_it_writes_leaves_no_line_behind(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal interrupts the main thread wherever it is."""
    sent = SentLog()
    with suppress(KeyboardInterrupt), sent.kept():
        sent.add("bob")
        with monkeypatch.context() as interrupted:
            interrupted.setattr("tasks.log.run_log", interrupt)
            sent.write()

    assert log.messages == ["bob"]


def test_a_run_that_ends_in_an_error_leaves_no_line_behind(log: pytest.LogCaptureFixture) -> None:
    """Nor does a mail that was in flight then, and is sent after it."""
    sent = SentLog()
    with suppress(ValueError), sent.kept():
        sent.add("bob")
        raise ValueError("lead")
    sent.add("eve")

    assert log.messages == ["bob", "eve"]

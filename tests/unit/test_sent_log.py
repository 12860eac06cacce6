"""The lines of mails that were sent: all of them, as few records as Prefect's server can bear."""

import logging
from contextlib import suppress

import pytest

from tasks.log import RECORDS, TOGETHER, SentLog


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Where no flow runs, they go to the log of the process."""
    caplog.set_level(logging.INFO, "prefect.outreach.dispatcher")
    return caplog


def names(number: int) -> list[str]:
    return [f"lead{n}" for n in range(number)]


def test_lines_wait_for_the_run_to_write_them(log: pytest.LogCaptureFixture) -> None:
    """The threads that send write none themselves."""
    sent = SentLog()
    with sent.kept():
        sent.add("bob")
        sent.add("100 % eve")
        assert log.messages == []

        sent.write()

        assert log.messages == ["bob", "100 % eve"]
        sent.write()
    assert log.messages == ["bob", "100 % eve"]


def test_more_than_a_second_may_have_share_a_record(log: pytest.LogCaptureFixture) -> None:
    """Up to there each has its own, and none is longer than Prefect takes."""
    sent = SentLog()
    for number in (RECORDS, RECORDS + 1, TOGETHER + 1):
        with sent.kept():
            for name in names(number):
                sent.add(name)

    few, more, many = names(RECORDS), names(RECORDS + 1), names(TOGETHER + 1)
    shared = ["\n".join(share) for share in (more, many[:-1], many[-1:])]
    assert log.messages == few + shared


def test_a_run_that_ends_in_an_error_leaves_no_line_behind(log: pytest.LogCaptureFixture) -> None:
    """Nor does a mail that was in flight then, and is sent after it."""
    sent = SentLog()
    with suppress(ValueError), sent.kept():
        sent.add("bob")
        raise ValueError("lead")
    sent.add("eve")

    assert log.messages == ["bob", "eve"]

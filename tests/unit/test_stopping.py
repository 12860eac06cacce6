"""What counts as a stop, among the errors that a run may end with."""

import pytest

from tasks.stopping import is_stop


def test_errors_that_are_each_others_cause_are_no_stop() -> None:
    """Looking for the first of them comes to an end."""
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__context__ = other, one

    assert [is_stop(one), is_stop(other)] == [False, False]


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_an_error_that_a_stop_has_made_is_a_stop(link: str) -> None:
    """It hit a library in mid-work."""
    error = RuntimeError("in mid-work")
    setattr(error, link, KeyboardInterrupt())

    assert is_stop(error)

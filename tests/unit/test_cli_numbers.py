"""Options that are numbers: what is none is refused before a command does anything."""

from math import nan

import pytest
import typer

from outreach.cli import reference
from outreach.cli.app import run
from outreach.cli.numbers import seconds

NUMBERS = [
    (path, one.opts[0])
    for path, context in reference.walk()
    for one in context.command.params
    if getattr(one, "max", None) is not None
]


def test_numbers_are_found() -> None:
    """Else the test below would say nothing."""
    assert {
        ("accounts connect", "--wait"),
        ("accounts add", "--pace"),
        ("campaigns check", "--cooldown"),
    } <= {*NUMBERS}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e999", "soon", ""])
@pytest.mark.parametrize(("path", "option"), NUMBERS)
def test_what_is_no_number_in_range_is_refused(
    path: str, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every command alike."""
    status = run([*path.split(), f"{option}={value}"])

    told = capsys.readouterr().err
    assert (status, told.count("Error: ")) == (2, 1)
    assert f"Error: Invalid value for '{option}': " in told


def test_nan_is_no_number_of_seconds_in_any_version_of_typer() -> None:
    """An older one compares it with the limits, and each comparison is false."""
    with pytest.raises(typer.BadParameter, match="nan is no number of seconds"):
        seconds(0, 86400, "Seconds.").callback(nan)

"""When a process of the soak counts as flat."""

import pytest

from benchmarks.soak.flat import flat


@pytest.mark.parametrize(
    ("values", "is_flat"),
    [
        ([100.0] * 30, True),
        ([*range(40, 140, 10), *[140.0] * 20], True),  # it warmed up, and stayed
        ([100.0 + 8 * (number % 2) for number in range(30)], True),
        ([200.0 - number for number in range(30)], True),
        ([100.0 + number for number in range(30)], False),
        ([100.0] * 15 + [130.0] * 15, False),
    ],
    ids=["still", "warm-up", "to and fro", "falling", "rising", "a step up"],
)
def test_what_rises_after_the_first_third_is_not_flat(values: list[float], is_flat: bool) -> None:
    samples = [(float(at), value) for at, value in enumerate(values)]
    assert flat("worker", "MB", samples).met is is_flat

"""What operators give for an account."""

import pytest

from outreach.errors import Rejected
from outreach.store.given import ramp


def test_a_ramp_is_its_first_day_and_what_each_day_adds() -> None:
    assert [ramp(text) for text in ("20+5", " 1+1000000 ", "off", None)] == [
        (20, 5),
        (1, 1_000_000),
        (0, 0),
        None,
    ]


@pytest.mark.parametrize("text", ["", "20", "20+", "20+0", "0+5", "20 + 5", "-1+5", "9999999+1"])
def test_what_is_no_ramp_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Rejected, match=r"is no ramp.*20\+5"):
        ramp(text)

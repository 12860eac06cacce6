"""What is told of a run that was given what its flow does not take."""

from uuid import uuid4

import pytest

from flows.dispatch_campaigns import dispatch_campaigns
from flows.parameters import wrong
from flows.send_campaign import send_campaign

ID = str(uuid4())
ADVICE = "`outreach campaigns list` shows them."


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"campaign_id": ID}, None),
        ({"campaign_id": ID.upper()}, None),
        (
            {"campaign_id": ID, "at": "now"},
            "The run was given 'at'; send-campaign takes campaign_id.",
        ),
        (
            {"campaign_id": f"{ID}\n"},
            f"The run was given '{ID}\\n' as campaign_id, which is no campaign id; {ADVICE}",
        ),
        (
            {},
            f"The run was given 'None' as campaign_id, which is no campaign id; {ADVICE}",
        ),
    ],
)
def test_what_is_wrong_is_a_sentence(given: dict[str, object], told: str | None) -> None:
    """Of an id as of a name."""
    assert wrong(send_campaign, given) == told


def test_the_dispatcher_takes_nothing() -> None:
    """And its schedule gives it nothing."""
    assert wrong(dispatch_campaigns, {}) is None
    assert wrong(dispatch_campaigns, {"now": True}) == (
        "The run was given 'now'; dispatch-campaigns takes nothing."
    )


def test_what_is_told_is_bounded() -> None:
    """Parameters may be half a megabyte."""
    many = {f"{n:05}" * 100: n for n in range(1000)}
    assert len(wrong(send_campaign, many) or "") < 250
    assert len(wrong(send_campaign, {"campaign_id": "x" * 500_000}) or "") < 250

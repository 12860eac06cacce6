"""A mail in doubt whose account cannot be looked into."""

from typing import Any, cast
from uuid import uuid4

import pytest

from outreach.campaign.models import OpenAttempt, StillDraft
from outreach.delivery.reconciler import DAY, LASTING_SECONDS, Settling
from outreach.errors import AccountUnusable, StoreUnavailable, TemporarilyUnavailable
from outreach.settings import Settings

AWAY = TemporarilyUnavailable("Gmail is away.")
REVOKED = AccountUnusable("Revoked", "reconnect the account")


class Looks:
    """A mailbox that answers as it is told."""

    answers: Any = AWAY

    def find(self, _: object) -> Any:
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def settling(looks: Looks, clock: Clock) -> Settling:
    """It records nothing here."""
    nothing = cast(Any, None)
    return Settling(nothing, cast(Any, looks), Settings.only(), clock)


def attempt(age: float) -> OpenAttempt:
    return OpenAttempt(
        id=uuid4(),
        campaign_id=uuid4(),
        campaign_lead_id=uuid4(),
        account_id=ACCOUNT,
        account="ada@ours.example",
        address="jo@acme.example",
        search_token="o1",
        age_seconds=age,
        campaign_cancelled=False,
        campaign_paused=False,
    )


ACCOUNT = uuid4()


def test_one_failed_look_after_a_weekend_decides_nothing(
    settling: Settling, looks: Looks, clock: Clock
) -> None:
    """The machine slept: the first look may meet a network that is not up yet."""
    old = attempt(3 * DAY)
    assert settling._find_out(old).kind == "open"
    clock.now += LASTING_SECONDS - 1
    assert settling._find_out(old).kind == "open"
    clock.now += LASTING_SECONDS  # in which nobody looked
    assert settling._find_out(old).kind == "open"
    looks.answers = StillDraft()
    assert settling._find_out(old).kind == "deferred"
    looks.answers = AWAY
    for _ in range(60):
        assert settling._find_out(old).kind == "open"
        clock.now += LASTING_SECONDS / 60
    assert settling._find_out(old).kind == "unclear"
    looks.answers = StillDraft()
    settling._find_out(old)


def test_a_permission_that_was_revoked_does_not_pass(settling: Settling, looks: Looks) -> None:
    looks.answers = REVOKED
    assert settling._find_out(attempt(DAY - 1)).kind == "open"
    assert settling._find_out(attempt(DAY)).kind == "unclear"


def test_our_own_database_says_nothing_of_an_account(settling: Settling, looks: Looks) -> None:
    looks.answers = StoreUnavailable("The database is away.")
    with pytest.raises(StoreUnavailable):
        settling._find_out(attempt(3 * DAY))

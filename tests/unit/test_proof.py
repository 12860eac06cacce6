"""The proof of a test-send: what is told of the mail that arrived, or did not."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from outreach.campaign.models import Account
from outreach.delivery.proof import PAUSE, Arrived, Proof, wait_for_proof
from outreach.errors import TemporarilyUnavailable

BEN = Account.model_validate({"id": uuid4(), "email": "ben@ours.example", "status": "active"})
GOOGLE = "mx.google.com; spf=pass smtp.mailfrom=a@ours.example; dkim=pass header.i=@ours.example"


class Looks:
    """Its looks find these, one after another."""

    def __init__(self, found: Iterable[Arrived | Exception | None]) -> None:
        self._found = iter(found)

    def find(self, _: UUID, __: str) -> Arrived | None:
        found = next(self._found)
        if isinstance(found, Exception):
            raise found
        return found


def proof(*found: Arrived | Exception | None, seconds: float = 60) -> tuple[Proof, list[float]]:
    pauses: list[float] = []
    told = wait_for_proof(
        Looks(found), BEN, "word", "ours.example", seconds=seconds, pause=pauses.append
    )
    return told, pauses


def test_it_is_waited_for() -> None:
    """Through failures that pass; Gmail takes seconds to show a mail."""
    arrived = Arrived(in_spam=True, fields=(GOOGLE + "; dmarc=pass header.from=ours.example",))
    told, pauses = proof(None, TemporarilyUnavailable("Gmail is away."), arrived)
    assert told == Proof(
        account=BEN.email, folder="spam", spf="pass", dkim="pass", dkim_domain="ours.example",
        dmarc="pass",
    )  # fmt: skip
    assert pauses == [PAUSE, PAUSE]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (None, "It has not arrived within 0 s; look for it there"),
        (TemporarilyUnavailable("Gmail is away."), "Gmail is away"),
        (Arrived(False, ()), "Google says nothing of its SPF, DKIM and DMARC"),
        (Arrived(False, ("mx.evil.example; spf=pass",)), "Google says nothing of its SPF, DKIM and DMARC"),
        (Arrived(False, (GOOGLE,)), "ours.example has no DMARC record"),
        (
            Arrived(False, ("mx.google.com; spf=softfail; dmarc=fail",)),
            "Not passed: SPF, DKIM, DMARC; see the records of ours.example",
        ),
    ],
)  # fmt: skip
def test_what_is_not_well_is_said(found: Arrived | Exception | None, problem: str) -> None:
    """Also that nothing is known."""
    told, _ = proof(found, seconds=0)
    assert told.problem == problem

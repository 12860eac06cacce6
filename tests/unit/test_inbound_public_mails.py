"""Public bounces, delays, complaints and automatic answers, of which the truth is known.

They are not part of the repository: `../shared/bounces`, or the folder that `BOUNCES` names.
"""

import pytest

from benchmarks.bounce_score import FOLDER, Score, expected, half, raw, score
from benchmarks.bounces import TARGETS, ours
from outreach.inbound.classify import classify

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"there is no {FOLDER}: its mails are not part of the repository"
)


@pytest.fixture(scope="module", params=[0, 1, None], ids=["made-on", "judged-on", "all"])
def scored(request: pytest.FixtureRequest) -> Score:
    """The half on which the rules were made, the half on which they were only judged, and all."""
    return score(ours, [one for one in expected() if request.param in {half(one), None}])


@pytest.mark.parametrize("name", [name for name, least in TARGETS.items() if least])
def test_a_target_is_met(scored: Score, name: str) -> None:
    """On both halves."""
    least = TARGETS[name] or 0
    missed = [file for what, file in scored.misread if what == name]

    assert scored.share(name) >= least, missed


def test_automatic_answers_are_no_bounces_and_no_people() -> None:
    """Each of the collection."""
    kinds = {classify(raw(one)).kind for one in expected() if one["kind"] == "auto_reply"}

    assert kinds <= {"auto", "away"}

"""The long run, `make chaos`: random campaigns, faults and deaths, by a seed that it prints."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from deployments.server import prefect_server
from tests.chaos.conftest import World

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

SEED = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
KILLS = int(os.environ.get("CHAOS_KILLS") or 200)

FAULTS = [
    None,
    "close",
    "reset",
    "stall",
    "server_error_500",
    "unavailable_503",
    "rate_limit_429",
    "accept_then_close",
    "accept_then_reset",
    "accept_then_500",
    "accept_then_stall",
    "accept_then_cut",
]


@pytest.fixture(scope="module")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api


@pytest.mark.parametrize("delivery", ["drafts", "direct"])
def test_two_hundred_deaths_at_random_mail_nobody_twice_and_lose_nobody(
    world: World, prefect_api: str, delivery: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A fifth of the campaigns by the real flow, the others by the same sender without Prefect."""
    chance = random.Random(f"{SEED} {delivery}")  # noqa: S311 - to be repeated, not to be secret
    scopes = ["modify", "full"] if delivery == "drafts" else ["send", "send,readonly"]
    campaigns, leads, kills = [], 0, 0
    while kills < KILLS:
        count = chance.randint(4, 16)
        world.prefect_api = prefect_api if chance.random() < 0.2 else None
        campaign = world.campaign(count, chance.randint(1, 3), chance.choice(scopes))
        campaigns.append(campaign)
        leads += count
        fault = chance.choice(FAULTS)
        if fault is not None:
            world.fault(fault, every=chance.randint(3, 6), times=3, seconds=1.5)
        for _ in range(chance.randint(3, 8)):
            world.lapse()
            # Sooner or later; a step that is never reached lets it end by itself.
            kills += world.run_until_killed(campaign, chance.randint(1, 12 * count))
            if chance.random() < 0.5:
                world.move_clock(chance.choice([1, 5, 60]))
        world.mend()
        world.run_to_the_end(campaign)

    counts = Counter(world.account_for(*campaigns))
    with capfd.disabled():
        sys.stdout.write(
            f"\n{delivery}, seed {SEED}: {kills} kills, {len(campaigns)} campaigns, {leads} leads: "
            f"{counts['sent']} sent, {counts['failed']} failed, {counts['unclear']} unclear, "
            "duplicates 0, lost 0\n"
        )
    assert counts.total() == leads
    assert delivery == "direct" or counts["unclear"] == 0

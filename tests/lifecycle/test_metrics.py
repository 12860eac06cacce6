"""The metrics of a real worker: a taken port holds up no mail, and what was sent is told later."""

import socket

import httpx
import pytest

from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, one_engine, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(240)]


def metrics(address: str) -> dict[str, float] | None:
    """By name and labels; None while nobody listens."""
    try:
        text = httpx.get(f"{address}/metrics", trust_env=False).text
    except httpx.ConnectError:
        return None
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


@one_engine(["worker"])
def test_a_worker_sends_without_its_port_and_tells_later_what_it_sent(
    world: World, new_campaign: NewCampaign
) -> None:
    campaign = new_campaign(leads=10, accounts=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = world.worker("--metrics-port", str(port))
        assert world.ended(world.start(campaign)) == "Completed"
        log = worker.log.read_text()
    assert f"No metrics for now: port {port} of 127.0.0.1 cannot be used" in log
    assert log.count("No metrics") == 1

    address = f"http://127.0.0.1:{port}"
    seen = until(lambda: metrics(address), "the metrics")
    assert seen is not None
    assert seen['outreach_sends_total{outcome="sent"}'] == 10
    assert seen["outreach_database_up"] == 1
    idle = (
        "outreach_runs",
        "outreach_leases_held",
        "outreach_slots_held",
        "outreach_mails_in_flight",
    )
    assert [seen[name] for name in idle] == [0, 0, 0, 0]
    assert httpx.get(f"{address}/ready", trust_env=False).is_success

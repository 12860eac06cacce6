"""A Prefect server on SQLite takes all that is asked at the same time."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from deployments.temporary_server import launched

ASKED = 120
AT_ONCE = 8


def test_slots_asked_for_at_once_are_given(tmp_path: Path) -> None:
    """Prefect's own way answers 503 to some, and its clients wait for seconds."""
    with (
        launched(
            {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        ) as server,
        httpx.Client(base_url=server.api, trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        server.wait()
        limit = {"name": "wide", "limit": ASKED}
        client.post("/v2/concurrency_limits/", json=limit).raise_for_status()

        def take(_: int) -> int:
            wanted = {"slots": 1, "names": ["wide"]}
            return client.post(
                "/v2/concurrency_limits/increment-with-lease", json=wanted
            ).status_code

        answers = Counter(threads.map(take, range(ASKED)))
        active = client.get("/v2/concurrency_limits/wide").json()["active_slots"]
    assert answers == {httpx.codes.OK: ASKED}
    assert active == ASKED

"""The product's sender in a process of its own: `python -m benchmarks.sender CAMPAIGN [--rows]`.

It runs the flow as `outreach campaigns start --local` does and prints one line of JSON: when it
began and ended (the machine's monotonic clock), its CPU seconds without the imports, its peak
memory, and how many task runs of mails there were.
"""

import importlib
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from flows import send_campaign as flow
from outreach.campaign.models import Claim
from outreach.wiring import current
from tasks import send

IMPORTED_LATE = ("fastapi.encoders", "outreach.gmail")
"""What Prefect and the product import only when a first run begins: no cost of a mail."""


def run(campaign: UUID, *, rows: bool) -> dict[str, Any]:
    """`rows`: one task run a lead at any speed, beyond the rate at which Prefect records them."""
    if rows:
        send.ROWS_A_SECOND = float("inf")  # type: ignore[assignment]
    task_runs = 0

    def counted(claims: Sequence[Claim], threads: int) -> list[send.Group]:
        nonlocal task_runs
        made = send.grouped(claims, threads)
        task_runs += len(made)
        return made

    flow.grouped = counted  # type: ignore[attr-defined]
    store = current().store
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    cpu, began, began_at = time.process_time(), time.monotonic(), time.time()
    state = flow.send_campaign(campaign, return_state=True)
    return {
        "began": began,
        "began_at": began_at,
        "ended": time.monotonic(),
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "task_runs": task_runs,
        "run": store.campaign_status(campaign).flow_run_ids[-1],
        "state": state.name,
        "message": state.message,
    }


def peak_mb(process: str = "self") -> float:
    """The most memory that a process has ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    print(json.dumps(run(UUID(sys.argv[1]), rows="--rows" in sys.argv)), flush=True)

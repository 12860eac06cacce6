"""Where the sender's CPU goes: `python -m benchmarks.profile CAMPAIGN`, run by `where`.

Each step's own thread CPU, kernel included, is summed; a sampling profiler would count the waits.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import urllib3

from benchmarks import sender
from outreach.delivery.sender import Sending
from outreach.gmail.mailbox import Gmail
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tasks.send import CampaignSender

STEPS: dict[str, tuple[type, str]] = {
    "send": (Sending, "send"),
    "build": (CampaignSender, "_build"),
    "begin_attempt": (Store, "begin_attempt"),
    "commit": (Gmail, "commit"),
    "record_outcome": (Store, "record_outcome"),
    "claim_leads": (Store, "claim_leads"),
    "posting": (urllib3.HTTPConnectionPool, "urlopen"),
    "database": (Postgres, "call"),
    "psycopg": (psycopg.Connection, "execute"),
}


def watched(step: str, spent: Counter[str], call: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return call(*arguments, **named)
        finally:
            spent[step] += time.thread_time() - began  # type: ignore[assignment]

    return timed


def main(campaign: UUID) -> None:
    spent: Counter[str] = Counter()
    for step, (owner, name) in STEPS.items():
        setattr(owner, name, watched(step, spent, getattr(owner, name)))
    measured = sender.run(campaign, rows=False)
    print(json.dumps(measured | {"spent": spent}), flush=True)


if __name__ == "__main__":
    main(UUID(sys.argv[1]))

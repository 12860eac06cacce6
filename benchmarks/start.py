"""How long from `outreach campaigns start --local` to the first mail, with the server running."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.harness import ROOT, World, world
from benchmarks.table import Line, at_most

LIMIT_SECONDS = 3.0


def run(*, quick: bool) -> Iterator[Line]:
    with world(send_pace_seconds=2) as there:
        times = [_started(there) for _ in range(1 if quick else 3)]
    yield at_most(
        "start: from the command to the first mail", statistics.median(times), LIMIT_SECONDS, " s"
    )


def _started(there: World) -> float:
    campaign = there.campaign(1, there.accounts(1, scope="modify"), start=False)
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "outreach.cli", "campaigns", "start", str(campaign), "--local"],
        cwd=ROOT,
        env=there.environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ((at, _, _),) = there.posts()
    return float(at - began)

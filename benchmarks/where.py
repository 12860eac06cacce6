"""Where the CPU of a mail goes in the sender, grouped and direct, as in `ceiling`."""

from collections.abc import Iterator

from benchmarks.harness import said, world
from benchmarks.table import Line, figure


def run(*, quick: bool) -> Iterator[Line]:
    leads = 400 if quick else 2000
    with world(send_concurrency=32) as there:
        campaign = there.campaign(leads, there.accounts(4))
        sender = said(there.start("benchmarks.profile", str(campaign)))
    spent = {step: 1000 * seconds / leads for step, seconds in sender["spent"].items()}
    engine = 1000 * sender["cpu"] / leads - spent["send"] - spent["claim_leads"]
    parts = {
        "its templates filled and its MIME made": spent["build"],
        "begin_attempt and record_outcome": spent["begin_attempt"] + spent["record_outcome"],
        "of which psycopg": spent["psycopg"],
        "the post": spent["commit"],
        "of which urllib3": spent["posting"],
        "claim_leads": spent["claim_leads"],
        "Prefect's engine and all else": engine,
    }
    for name, milliseconds in parts.items():
        yield figure(f"sender's CPU a mail: {name}", milliseconds, " ms")

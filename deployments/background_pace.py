"""How often the background worker of Prefect's server looks for what is due.

Its services run each few seconds at most, and it looks four times a second: an eighth of the CPU of
an idle server.
"""

from datetime import timedelta
from functools import partial

from docket import Worker
from prefect.server.api import background_workers

LOOK = timedelta(seconds=1)
"""A service that is due begins so much later at most. New work is not waited for: it wakes it."""


def look_each_second() -> None:
    """For the server of this process."""
    worker = partial(Worker, minimum_check_interval=LOOK, scheduling_resolution=LOOK)
    background_workers.Worker = worker  # type: ignore[attr-defined, assignment]

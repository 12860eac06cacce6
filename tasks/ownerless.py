"""Runs that Prefect shows as Running, and behind which nothing is.

Their process died, and another run took the campaign before anybody looked for the first; or it
ended while Prefect's server was away, and its last state was lost with the process.
"""

from collections import Counter
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from outreach.deployment_names import SEND_FLOW
from outreach.wiring import current
from tasks.log import run_log
from tasks.orders import age_of, replace_state
from tasks.run_filters import paged, runs_in

SETTLED_SECONDS = 300.0
"""A run has begun its campaign by then."""
LOOKS = 3
"""In a row, each minute: a run at its end owns its campaign no more, and reports for a while."""
MOST = 1000


class Ownerless:
    """The looks of one dispatcher."""

    def __init__(self) -> None:
        self._seen: Counter[UUID] = Counter()

    def end(self) -> None:
        """Mark Crashed what owned no campaign in any of the last looks. Raises httpx.HTTPError."""
        running = {run.id: run for run in _running()}
        owning = current().store.owning_runs(list(running)) if running else set()
        self._seen = Counter({run: self._seen[run] + 1 for run in running.keys() - owning})
        for run in [run for run, looks in self._seen.items() if looks >= LOOKS]:
            state = running[run].state
            if state is not None:
                replace_state(run, state, Crashed(message="It ended without a word."))
                run_log().info("%s ended without a word", running[run].name)


def _running() -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        found = paged(
            client,
            MOST,
            **runs_in(SEND_FLOW, StateType.RUNNING),
            sort=FlowRunSort.START_TIME_ASC,
        )
        return [run for run in found if run.state and age_of(run.state) > SETTLED_SECONDS]

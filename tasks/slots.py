"""The limit of sends in flight: a run's share of `gmail-send`, over all runs and machines."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import ceil
from threading import BoundedSemaphore

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, TerminationSignal

from tasks.ending import ended_if_cancelled
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun, RunToken
from tasks.stopping import is_stop

LIMIT = "gmail-send"
"""The global concurrency limit of sends in flight, over all runs and machines."""

LIMIT_WHEN_MISSING = 32
IN_FLIGHT_SECONDS = 25.0
"""Seconds that a run waits for mails in flight when it ends early: it is killed after 30 s."""

SEND_SECONDS = 2.0
"""Longest time of one mail in flight, to compute how many senders an account can use."""


class NoSlotsError(Exception):
    """`gmail-send` allows this run no send: it is at 0, or other runs hold all its slots."""


@contextmanager
def sender_slots(
    run: CampaignRun, plan: CampaignPlan, timeout_seconds: float = 60
) -> Iterator[BoundedSemaphore]:
    """Hold this run's share of `gmail-send` to the end of the block.

    The smallest of: its threads, the use of its accounts, the limit. Each send takes one from the
    semaphore. Raises NoSlotsError after `timeout_seconds`, and at once while the limit is at 0.
    """
    threads = plan.threads
    usable = sum(ceil(SEND_SECONDS / pace) if pace else threads for pace in plan.paces)
    with ExitStack() as held:
        count = _occupy(held, max(1, min(threads, usable)), timeout_seconds)
        slots, logger = BoundedSemaphore(count), run_log()
        logger.info("%d sender(s)", count)
        with (
            _mails_in_flight_recorded(run.token, slots, count),
            ended_if_cancelled(run.id, logger),
        ):
            yield slots


def _occupy(held: ExitStack, wanted: int, timeout_seconds: float) -> int:
    """Take `wanted` slots, or as many as the limit has, until `held` is closed; returns the number.

    A request above the limit is an error in Prefect, not a wait. So when the limit was lowered
    during the request, it asks again.
    """
    deadline = time.monotonic() + timeout_seconds
    while (left := deadline - time.monotonic()) > 0:
        slots = _allowed(wanted)
        if slots == 0:
            raise NoSlotsError(f"the limit {LIMIT}, which is at 0 (Prefect's UI, Concurrency)")
        share = concurrency(
            LIMIT,
            occupy=slots,
            strict=True,
            timeout_seconds=left,
            raise_on_lease_renewal_failure=False,
        )
        try:
            held.enter_context(share)
        except TimeoutError:
            break
        except ConcurrencySlotAcquisitionError as error:
            away = _away(error)
        else:
            return slots
        if away is not None:
            # Raised outside the handler: else each of the two errors would be the other's cause.
            raise away
    raise NoSlotsError(f"all sends that {LIMIT} allows are taken by other runs")


@contextmanager
def _mails_in_flight_recorded(
    token: RunToken, slots: BoundedSemaphore, count: int
) -> Iterator[None]:
    """A run that is told to stop holds its share until all its senders are idle."""
    try:
        yield
    except BaseException as error:
        if not token.stopped and is_stop(error):
            token.stop()
            deadline = time.monotonic() + IN_FLIGHT_SECONDS
            while not _are_recorded(slots, count, deadline):
                continue
        raise


def _are_recorded(slots: BoundedSemaphore, count: int, deadline: float) -> bool:
    """Wait for that until the deadline. False when told again to stop meanwhile."""
    try:
        with ExitStack() as idle:
            for _ in range(count):
                if not slots.acquire(timeout=max(0, deadline - time.monotonic())):
                    run_log().warning("A mail in flight was not recorded in time: settled later")
                    return True
                idle.callback(slots.release)
    except TerminationSignal as again:
        if is_stop(again):
            return False
        raise
    return True


def _away(error: ConcurrencySlotAcquisitionError) -> BaseException | None:
    """The error when Prefect gave no response; None: the limit was lowered or deleted since."""
    match error.__cause__:
        case httpx.HTTPStatusError(response=httpx.Response(status_code=422)):
            return None
        case cause:
            return cause


def _allowed(wanted: int) -> int:
    """How many of these the limit has, as operators set it in the UI; an inactive one has all."""
    with get_client(sync_client=True) as client:
        found = limit(client)
    return min(wanted, found.limit) if found.active else wanted


def limit(client: SyncPrefectClient) -> GlobalConcurrencyLimitResponse:
    """`gmail-send`, made when missing: without it Prefect lets all through.

    Never `upsert`: that would take back what an operator has turned in the UI.
    """
    with suppress(ObjectNotFound):
        return client.read_global_concurrency_limit_by_name(LIMIT)
    with suppress(ObjectAlreadyExists):  # another run was at it too
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=LIMIT, limit=LIMIT_WHEN_MISSING)
        )
    return client.read_global_concurrency_limit_by_name(LIMIT)

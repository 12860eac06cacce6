"""Mail claimed leads: the mapped task, and how many of them are in flight."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from math import ceil
from typing import Any
from uuid import UUID

import httpx
from prefect import runtime, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import State
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, TerminationSignal
from prefect.states import Completed, Failed
from prefect.utilities.collections import batched_iterable

from outreach.campaign.models import Claim, Outcome, Sent
from outreach.errors import TemporarilyUnavailable
from outreach.mail.addresses import mask
from tasks.ending import ended_if_cancelled
from tasks.log import describe_sent, run_log
from tasks.retries import PHASE, is_last_try
from tasks.run import CampaignRun
from tasks.stopping import is_stop

LIMIT = "gmail-send"
"""The global concurrency limit that caps the sends in flight over all runs and machines."""

LIMIT_WHEN_MISSING = 32
ROWS_A_SECOND = 30
"""Task runs a second that Prefect's server records without falling behind."""

GROUP = 50
IN_FLIGHT_SECONDS = 25.0
"""How long a run that ends early waits for mails in flight: who stops it kills it after 30 s."""

SEND_SECONDS = 2.0
"""How long one mail may take in flight, for how many senders an account can use."""


class Group:
    """Claims that one task run sends, and what became of each: what is known is not sent again."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = tuple(claims)
        self.outcomes: dict[UUID, Outcome] = {}

    def __str__(self) -> str:
        if len(self.claims) == 1:
            return mask(self.claims[0].lead.email)
        return f"{len(self.claims)} leads from {mask(self.claims[0].sender.email)}"


def grouped(run: CampaignRun, claims: Sequence[Claim]) -> list[Group]:
    """A group is one lead, a row each in Prefect's UI, as long as its server keeps up with that."""
    if sum(1 / pace if pace else float("inf") for pace in run.paces) <= ROWS_A_SECOND:
        return [Group([claim]) for claim in claims]
    by_account = sorted(claims, key=lambda claim: claim.sender.id)
    groups = [
        Group(share)
        for _, own in groupby(by_account, key=lambda claim: claim.sender.id)
        for share in batched_iterable(sorted(own, key=lambda claim: claim.due), GROUP)
    ]
    return sorted(groups, key=lambda group: group.claims[0].due)


def _name() -> str:
    return f"send {runtime.task_run.parameters['group']}"


@task(task_run_name=_name, **PHASE)
def send(group: Group, run: CampaignRun) -> State[Any]:
    """Mail each lead of the group and record what became of it.

    A failure that passes is retried by Prefect, for those leads alone of which it is certain that
    nothing was written ahead; after the last try they go later.
    """
    passing: TemporarilyUnavailable | None = None
    with _logged(run) as sent:
        for claim in group.claims:
            if claim.id in group.outcomes:
                continue
            try:
                outcome = run.sending.send(claim)
            except TemporarilyUnavailable as error:
                if not is_last_try():
                    passing = error
                    continue
                outcome = run.sending.give_up(claim, error)
            group.outcomes[claim.id] = outcome
            run.count(outcome)
            if isinstance(outcome, Sent):
                sent.append((claim, outcome))
    if passing is not None:
        raise passing
    return _state(list(group.outcomes.values()))


@contextmanager
def _logged(run: CampaignRun) -> Iterator[list[tuple[Claim, Sent]]]:
    """What is added is logged, a line for each mail, whatever ends the block.

    One record for all of them: each costs Prefect half a millisecond, a fifth of a mail.
    """
    sent: list[tuple[Claim, Sent]] = []
    try:
        yield sent
    finally:
        if sent and run.settings.log_sends:
            lines = (
                f"Sent: {describe_sent(claim.id, claim.lead.email, claim.sender.email, outcome)}"
                for claim, outcome in sent
            )
            run_log().info("\n".join(lines))


def _state(outcomes: list[Outcome]) -> State[Any]:
    """How the task run shows in the UI; the record of what happened is the database's."""
    if len(outcomes) > 1:
        kinds = Counter(outcome.kind for outcome in outcomes)
        return Completed(message=", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    outcome = outcomes[0]
    reason = getattr(outcome, "reason", "sent")
    match outcome.kind:
        case "sent":
            return Completed(message="sent")
        case "failed" | "unclear":
            return Failed(name=outcome.kind.capitalize(), message=reason)
        case "deferred":
            return Completed(name="Deferred", message=reason)
        case "open":
            return Completed(name="InDoubt", message=reason)
        case "not_ours":
            return Completed(name="NotOurs", message=reason)


class NoSlotsError(Exception):
    """`gmail-send` allows this run no send: it is at 0, or other runs hold all that it has."""


@contextmanager
def sender_slots(run: CampaignRun, timeout_seconds: float = 60) -> Iterator[None]:
    """This run's share of `gmail-send`, held to its end.

    As many as it has threads, as its accounts can use and as the limit has. Raises NoSlotsError
    after `timeout_seconds`, and at once while the limit is at 0.
    """
    threads = run.settings.send_concurrency
    usable = sum(ceil(SEND_SECONDS / pace) if pace else threads for pace in run.paces)
    with ExitStack() as held:
        slots = _occupy(held, max(1, min(threads, usable)), timeout_seconds)
        for _ in range(threads - slots):
            run.in_flight.acquire()
        logger = run_log()
        logger.info("%d sender(s)", slots)
        with _mails_in_flight_recorded(run, slots), ended_if_cancelled(run.id, logger):
            yield


def _occupy(held: ExitStack, wanted: int, timeout_seconds: float) -> int:
    """Take `wanted` slots, or as many as the limit has, until `held` is closed; how many.

    Asking for more than the limit has is an error of Prefect's, not a wait. So when the limit was
    lowered while the run asked, it asks anew.
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
            # Not where it was caught: each of the two errors would be the other one's cause.
            raise away
    raise NoSlotsError(f"all sends that {LIMIT} allows are taken by other runs")


@contextmanager
def _mails_in_flight_recorded(run: CampaignRun, slots: int) -> Iterator[None]:
    """A run that is told to stop holds its share until no sender is at work."""
    try:
        yield
    except BaseException as error:
        if not run.stopped and is_stop(error):
            run.stop()
            deadline = time.monotonic() + IN_FLIGHT_SECONDS
            while not _are_recorded(run, slots, deadline):
                continue
        raise


def _are_recorded(run: CampaignRun, slots: int, deadline: float) -> bool:
    """Wait for it until the deadline. False when asked again to stop meanwhile."""
    try:
        with ExitStack() as idle:
            for _ in range(slots):
                if not run.in_flight.acquire(timeout=max(0, deadline - time.monotonic())):
                    run_log().warning("A mail in flight was not recorded in time: settled later")
                    return True
                idle.callback(run.in_flight.release)
    except TerminationSignal as again:
        if is_stop(again):
            return False
        raise
    return True


def _away(error: ConcurrencySlotAcquisitionError) -> BaseException | None:
    """Why Prefect gave no answer; None: the limit was lowered or deleted since it was read."""
    match error.__cause__:
        case httpx.HTTPStatusError(response=httpx.Response(status_code=422)):
            return None
        case cause:
            return cause


def _allowed(wanted: int) -> int:
    """How many of these the limit has, as operators set it in the UI; an inactive one has all.

    Made when missing, since then Prefect lets all through.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_global_concurrency_limit_by_name(LIMIT)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):  # another run was at it too
                client.create_global_concurrency_limit(
                    GlobalConcurrencyLimitCreate(name=LIMIT, limit=LIMIT_WHEN_MISSING)
                )
            return min(wanted, LIMIT_WHEN_MISSING)
    return min(wanted, found.limit) if found.active else wanted

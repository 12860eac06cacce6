"""Mails claimed leads: the mapped task."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any
from uuid import UUID

from prefect import runtime, task
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.utilities.collections import batched_iterable

from outreach.campaign.models import Claim, Outcome, Sent
from outreach.errors import TemporarilyUnavailable
from outreach.mail.addresses import mask
from tasks.log import describe_sent, run_log
from tasks.retries import PHASE, is_last_try
from tasks.run import CampaignRun

ROWS_A_SECOND = 30
"""Task runs per second that Prefect's server records without falling behind."""

GROUP = 50


class Group:
    """Claims of one task run and their outcomes: a known outcome is not sent again."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = tuple(claims)
        self.outcomes: dict[UUID, Outcome] = {}

    def __str__(self) -> str:
        if len(self.claims) == 1:
            return mask(self.claims[0].lead.email)
        return f"{len(self.claims)} leads from {mask(self.claims[0].sender.email)}"


def grouped(run: CampaignRun, claims: Sequence[Claim]) -> list[Group]:
    """One lead per group, a row each in Prefect's UI, while its server keeps up with that."""
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
    """Mail each lead of the group and record its outcome.

    Prefect retries a transient failure, only for leads of which certainly nothing was written
    ahead; after the last try they are deferred.
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
    """Log all appended mails, a line each, however the block ends.

    One record for all of them: each record costs Prefect half a millisecond, a fifth of a mail.
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
    """The task run's state in the UI; the database has the record of what happened."""
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

"""Mails claimed leads: the mapped task."""

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from prefect import runtime, task
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from prefect.utilities.collections import batched_iterable

from outreach.campaign.models import Claim, Outcome, Sent
from outreach.delivery.following import Look
from outreach.delivery.sender import Sending
from outreach.errors import TemporarilyUnavailable
from outreach.mail.addresses import mask, masked
from outreach.mail.compose import compose
from outreach.mail.content import Content, content
from outreach.mail.mime import Mail
from outreach.mail.render import pixel_url
from outreach.mailboxes.now import read_whole
from outreach.metrics.sends import SENDS
from tasks.log import describe_sent, run_log
from tasks.plan import CampaignPlan
from tasks.retries import PHASE, is_last_try
from tasks.run import CampaignRun
from tasks.senders import Gate

ROWS_A_SECOND = 30
"""Task runs per second of one process that Prefect's server records without falling behind."""

GROUP = 50


class Group:
    """Claims of one task run and their outcomes: a known outcome is not sent again."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = tuple(claims)
        self.due = min(claim.due for claim in claims)
        """Of the first, in seconds of the monotonic clock."""
        self.outcomes: dict[UUID, Outcome] = {}

    def __str__(self) -> str:
        if len(self.claims) == 1:
            return mask(self.claims[0].lead.email)
        accounts = {claim.sender.email for claim in self.claims}
        whose = mask(*accounts) if len(accounts) == 1 else f"{len(accounts)} accounts"
        return f"{len(self.claims)} leads from {whose}"


class CampaignSender:
    """What the sends of a run share. A plain class: Prefect would inspect a plan for every mail."""

    def __init__(self, run: CampaignRun, plan: CampaignPlan, gate: Gate) -> None:
        """`gate` caps the sends in flight."""
        services = run.services
        self._outcomes = run.outcomes
        self._sent_log = run.sent_log if services.settings.log_sends else None
        self._attachment = plan.attachment
        self._opt_out = plan.opt_out
        self._app_url = services.settings.app_url
        self.sending: Final = Sending(
            store=services.store,
            mailer=services.mailer,
            settings=services.settings,
            run=run.id,
            build=self._build,
            wait=run.token.wait,
            in_flight=lambda: gate.place(lambda: run.token.stopped),
            look=Look(
                services.mailer,
                services.store.mailboxes,
                lambda account: read_whole(services.store, services.inbox, account),
            ),
        )

    def count(self, claim: Claim, outcome: Outcome) -> None:
        """Count what became of a mail, and log it when it was sent."""
        self._outcomes.count(outcome)
        SENDS.labels(outcome.kind).inc()
        if isinstance(outcome, Sent) and self._sent_log is not None:
            sent = describe_sent(claim.id, claim.lead.email, claim.sender.email, outcome)
            self._sent_log.add(f"Sent: {sent}")

    def _build(self, claim: Claim, search_token: str) -> tuple[Mail, Content]:
        if claim.follows is not None and claim.follows.in_thread and claim.reply is None:
            run_log().warning(
                "%s: the thread of the mail before is gone, so the follow-up opens a new one",
                mask(claim.lead.email),
            )
        composed = compose(
            claim,
            sender=claim.sender,
            attachment=self._attachment,
            pixel_url=pixel_url(self._app_url, claim.id),
            search_token=search_token,
            date=datetime.now(UTC),
            opt_out=self._opt_out,
            reply=claim.reply,
        )
        made_from = content(claim, composed, self._opt_out.footer, own=claim.own_text)
        return composed.mail, made_from


class MailRates:
    """The rates of the runs of this process, which together give Prefect's server its task runs."""

    def __init__(self) -> None:
        self._rates: dict[UUID, float] = {}

    @contextmanager
    def counted(self, run: UUID, mails_a_second: float) -> Iterator[None]:
        """Count this run's rate until the end of the block."""
        self._rates[run] = mails_a_second
        try:
            yield
        finally:
            del self._rates[run]

    @property
    def total(self) -> float:
        """Mails a second at most; an account that several campaigns use counts for each."""
        return sum(self._rates.copy().values())


mail_rates: Final = MailRates()
"""Of this process."""


def grouped(claims: Sequence[Claim], threads: int) -> list[Group]:
    """One lead per group, a row each in Prefect's UI, while its server keeps up with that.

    Else the accounts are dealt to the sender threads, and a group is what one of them sends: with
    a group for each account, those beyond the threads would wait until the first ones are done.
    """
    if mail_rates.total <= ROWS_A_SECOND:
        return [Group([claim]) for claim in claims]
    accounts = sorted({claim.sender.id for claim in claims})
    thread = {account: number % threads for number, account in enumerate(accounts)}
    dealt = sorted(claims, key=lambda claim: (thread[claim.sender.id], claim.due))
    groups = [
        Group(share)
        for _, own in groupby(dealt, key=lambda claim: thread[claim.sender.id])
        for share in batched_iterable(own, GROUP)
    ]
    return sorted(groups, key=lambda group: group.due)


def _name() -> str:
    return f"send {runtime.task_run.parameters['group']}"


@task(task_run_name=_name, **PHASE)
def send(group: Group, sender: CampaignSender) -> State[Any]:
    """Mail each lead of the group and record its outcome.

    Prefect retries a transient failure, only for leads of which certainly nothing was written
    ahead; after the last try they are deferred.
    """
    passing: TemporarilyUnavailable | None = None
    for claim in group.claims:
        if claim.id in group.outcomes:
            continue
        try:
            outcome = sender.sending.send(claim)
        except TemporarilyUnavailable as error:
            if not is_last_try():
                passing = error
                continue
            outcome = sender.sending.give_up(claim, error)
        group.outcomes[claim.id] = outcome
        sender.count(claim, outcome)
    if passing is not None:
        raise passing
    return _state(list(group.outcomes.values()))


send.fn.__signature__ = inspect.signature(send.fn)  # type: ignore[attr-defined]
"""Made once: Prefect asks Python for it four times a mail."""


def _state(outcomes: list[Outcome]) -> State[Any]:
    """The task run's state in the UI; the database has the record of what happened."""
    if len(outcomes) > 1:
        kinds = Counter(outcome.kind for outcome in outcomes)
        return Completed(message=", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    outcome = outcomes[0]
    reason = masked(getattr(outcome, "reason", "sent"))
    match outcome.kind:
        case "sent":
            return Completed(message="sent")
        case "failed" | "unclear":
            return Failed(name=outcome.kind.capitalize(), message=reason)
        case "deferred":
            return Completed(name="Deferred", message=reason)
        case "open":
            return Completed(name="InDoubt", message=reason)
        case "cancelled":
            return Completed(name="NotMailed", message=reason)
        case "not_ours":
            return Completed(name="NotOurs", message=reason)

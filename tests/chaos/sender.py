"""A sender in a process of its own, that can be made to die at any step of the protocol.

The steps are counted where the process meets the world: before and after each call of a SQL
function and each HTTP request. The product has no hook for this; the harness wraps its two ends.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from urllib3.connectionpool import HTTPConnectionPool

from outreach import wiring
from outreach.campaign.models import Claim, Failed, Outcome, Sent
from outreach.delivery.reconciler import Settling
from outreach.delivery.sender import Sending
from outreach.errors import SendUnclear, TemporarilyUnavailable
from outreach.settings import Settings
from outreach.store.calls import Row, Transport
from tasks import delivery
from tasks.plan import Deferral, make_plan
from tasks.run import CampaignRun
from tasks.send import CampaignSender
from tasks.senders import Gate

LEASE_SECONDS = 5.0
MOST_ROUNDS = 400


@dataclass(frozen=True)
class Plan:
    """What happens to the sender: nothing, or its own death, or suspension, at one step."""

    at_step: int = 0
    """The step, counted from 1, at which it is killed; 0: never."""
    at: str = ""
    """Or a pattern of its name: it is killed at the first step that fits."""
    signal: int = signal.SIGKILL
    log: Path | None = None
    """Where to write the name of each step, a line each."""
    twice: bool = False
    """Every SQL function is called again, as after an answer that was lost."""
    naive: bool = False
    """Post first and record afterwards, as everybody else does: the harness has to notice."""


class Steps:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._count = 0

    def step(self, name: str) -> None:
        with self._lock:
            if self._is_the_end(name):
                # To this very thread: with several, another one would take it a moment later.
                signal.pthread_kill(threading.get_ident(), self._plan.signal)

    def _is_the_end(self, name: str) -> bool:
        if self._plan.at:
            return fnmatch(name, self._plan.at)
        if name.endswith(" renew_runs"):
            return False  # it comes by the clock, so a number would mean another step each time
        self._count += 1
        if self._plan.log is not None:
            with self._plan.log.open("a") as log:
                log.write(f"{name}\n")
        return self._count == self._plan.at_step


class Watched:
    """A transport whose calls are steps."""

    def __init__(self, transport: Transport, steps: Steps, plan: Plan) -> None:
        self._transport = transport
        self._steps = steps
        self._plan = plan

    def call(self, function: str, **arguments: Any) -> list[Row]:
        self._steps.step(f"before {function}")
        answer = self._transport.call(function, **arguments)
        if self._plan.twice:
            answer = self._transport.call(function, **arguments)
        self._steps.step(f"after {function}")
        return answer

    def close(self) -> None:
        self._transport.close()


def send(settings: Settings, campaign: UUID, plan: Plan) -> None:
    """Run the campaign to its end, or as far as it goes now, as the flow does, without Prefect."""
    steps = Steps(plan)
    watch_http(steps)
    with wiring.using(settings) as services:
        services.store._transport = Watched(services.store._transport, steps, plan)
        run = CampaignRun(campaign, uuid4(), services)
        begun = run.store.begin_run(campaign, run.id, LEASE_SECONDS)
        if begun.answer != "begun":
            return
        over = threading.Event()
        heart = threading.Thread(target=_keep_lease, args=(run, over), daemon=True)
        heart.start()
        gate = Gate()
        gate.resize(settings.send_concurrency)
        sending = CampaignSender(run, make_plan(run), gate).sending
        later = _deliver(run, sending, naive(run, sending) if plan.naive else sending.send)
        seconds, reason = (later.seconds, later.reason) if later else (None, None)
        run.store.finish_run(campaign, run.id, seconds, reason)
        over.set()


def send_by_flow(settings: Settings, campaign: UUID, plan: Plan, prefect_api: str) -> None:
    """The real flow, against a Prefect server."""
    from prefect.settings import (  # noqa: PLC0415
        PREFECT_API_URL,
        PREFECT_LOGGING_LEVEL,
        temporary_settings,
    )

    from flows.send_campaign import send_campaign  # noqa: PLC0415

    # Hand back soon: the harness moves the clock instead of waiting.
    delivery.PATIENCE_SECONDS = PATIENCE_SECONDS
    steps = Steps(plan)
    watch_http(steps)
    with (
        temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_LOGGING_LEVEL: "CRITICAL"}),
        wiring.using(settings) as services,
    ):
        services.store._transport = Watched(services.store._transport, steps, plan)
        send_campaign(campaign, return_state=True)


def _deliver(
    run: CampaignRun, sending: Sending, mail: Callable[[Claim], Outcome]
) -> Deferral | None:
    services = run.services
    settling = Settling(services.store, services.mailer, services.settings)
    with ThreadPoolExecutor(services.settings.send_concurrency) as threads:
        for _ in range(MOST_ROUNDS):
            for attempt in run.store.list_open_attempts(run.campaign):
                settling.settle(attempt)
            batch = run.store.claim_leads(uuid4(), run.campaign, run.id, 50)
            if batch.answer in {"done", "stopped"}:
                return None
            if batch.answer == "claimed":
                list(threads.map(lambda claim: _patiently(sending, mail, claim), batch.claims))
            elif batch.wait_seconds > PATIENCE_SECONDS:
                return Deferral(batch.wait_seconds, batch.waiting_for)
            elif run.token.wait(max(batch.wait_seconds, 0.05)):
                return None
    return None


PATIENCE_SECONDS = 8.0


def _patiently(sending: Sending, mail: Callable[[Claim], Outcome], claim: Claim) -> Outcome:
    try:
        return mail(claim)
    except TemporarilyUnavailable as error:
        return sending.give_up(claim, error)


def _keep_lease(run: CampaignRun, over: threading.Event) -> None:
    while not over.wait(LEASE_SECONDS / 4):
        try:
            answers = run.store.renew_runs({run.id: run.campaign}, LEASE_SECONDS)
            if answers[run.id] != "renewed":
                run.token.stop()
        except TemporarilyUnavailable:
            continue


def naive(run: CampaignRun, sending: Sending) -> Callable[[Claim], Outcome]:
    """Send, then record; an answer that was lost is a failure to try again."""

    def mail(claim: Claim) -> Outcome:
        prepared, _ = sending._prepare(claim)
        try:
            sent = sending._mailer.commit(prepared)
        except SendUnclear:
            sent = sending._mailer.commit(prepared)
        attempt = uuid4()
        begun = run.store.begin_attempt(attempt, claim, run.id, prepared.search_token, None, None)
        if begun.answer != "go":
            return Failed(reason=begun.answer)
        run.store.record_outcome(
            attempt, "sent", message_id=sent.message_id, thread_id=sent.thread_id
        )
        return Sent()

    return mail


def watch_http(steps: Steps) -> None:
    original = HTTPConnectionPool.urlopen

    def watched(self: HTTPConnectionPool, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        what = f"{method} {_shape(url)}"
        steps.step(f"before {what}")
        answer = original(self, method, url, *args, **kwargs)
        steps.step(f"after {what}")
        return answer

    HTTPConnectionPool.urlopen = watched  # type: ignore[method-assign,assignment]


def _shape(url: str) -> str:
    """The path without the ids in it."""
    services = urlsplit(url).path.strip("/").split("/")
    return "/".join(part for part in services if not any(character.isdigit() for character in part))

"""The limit of sends in flight over all machines: this process's share of `gmail-send`.

The process holds the share for all its runs, since Prefect gives slots out in the order of their
requests: a run that needs two would wait behind one that needs ten.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cache
from math import ceil
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, TerminationSignal
from prefect.logging.loggers import get_logger

from outreach.wiring import current_settings
from tasks.ending import ended_if_cancelled
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun
from tasks.senders import Gate
from tasks.slot_notes import Notes
from tasks.stopping import is_stop
from tasks.token import RunToken

LIMIT = "gmail-send"
"""The global concurrency limit of sends in flight, over all runs and machines."""

LIMIT_WHEN_MISSING = 32
IN_FLIGHT_SECONDS = 25.0
"""Seconds that a run waits for mails in flight when it ends early: it is killed after 30 s."""
SEND_SECONDS = 2.0
"""Longest time of one mail in flight, to compute how many senders an account can use."""
LEASE_SECONDS = 60.0
"""The shortest that Prefect has: slots of a process that was killed come back after it."""
RENEW_SECONDS = 20.0
ROUND_SECONDS = 15.0
"""Between two looks at the limit, as operators turn it."""
COALESCE_SECONDS = 0.3
"""One look for all runs that begin or end meanwhile."""
PIECE = 4
"""Slots of one lease: what is left over is given back in such pieces."""
AGAIN_SECONDS = 1.0
RELEASE_SECONDS = 5.0
"""A run that was told to stop waits no longer for its slots to be given back."""
NOT_RELEASED = (httpx.HTTPError, ObjectNotFound)
"""The lease has lapsed, or will."""


class NoSlotsError(Exception):
    """`gmail-send` allows this process no send: it is at 0, or others hold all its slots."""


@dataclass(slots=True)
class _Lease:
    id: UUID
    slots: int
    renewed_at: float
    """Seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class _Share:
    """The use that one run has for slots."""

    wanted: int
    context: Context
    """With Prefect's settings and the run's client, for the thread that keeps the share."""


class Slots:
    """This process's share: as many slots as its runs can use, and as the limit has."""

    def __init__(self, notes: Notes) -> None:
        self.gate = Gate()
        self._notes = notes
        self._shares: dict[UUID, _Share] = {}
        self._leases: list[_Lease] = []
        self._fitting = threading.Lock()
        self._nudged = threading.Event()
        self._keeper: threading.Thread | None = None

    @contextmanager
    def held(self, run: UUID, wanted: int, token: RunToken, seconds: float) -> Iterator[Gate]:
        """Have at least one slot, for this run and the others of the process, until the end.

        Raises NoSlotsError after `seconds`, and at once while the limit is at 0; httpx.HTTPError
        when Prefect's server does not answer and the process has none yet.
        """
        self._shares[run] = _Share(wanted, copy_context())
        try:
            self._wait_for_one(token, seconds)
            self._keep()
            yield self.gate
        finally:
            del self._shares[run]
            if self._shares:
                self._nudged.set()
            else:
                self._release(token)

    def _release(self, token: RunToken) -> None:
        """Give all back, beside a run that has to end soon: Prefect's server may be away."""
        releasing = threading.Thread(
            target=copy_context().run, args=(self._try_to_fit,), name="slots", daemon=True
        )
        with suppress(RuntimeError):  # no more threads
            releasing.start()
            releasing.join(RELEASE_SECONDS if token.stopped else None)

    def _try_to_fit(self) -> None:
        # Then the leases lapse; the last for a client that its process has closed.
        with suppress(httpx.HTTPError, NoSlotsError, RuntimeError):
            self._fit()

    def _wait_for_one(self, token: RunToken, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.gate.size == 0:
            self._release_of_killed()
            self._fit()
            if self.gate.size or token.wait(AGAIN_SECONDS):
                return
            if time.monotonic() > deadline:
                raise NoSlotsError(f"all sends that {LIMIT} allows are taken by other runs")

    def _release_of_killed(self) -> None:
        """Free the slots of processes of this machine that were killed: no mail waits for them."""
        with get_client(sync_client=True) as client:
            if not _takes_back(limit(client)):
                return
            for lease in self._notes.taken_over():
                with suppress(*NOT_RELEASED):
                    client.release_concurrency_slots_with_lease(lease)

    def _keep(self) -> None:
        with self._fitting:
            if self._keeper is None:
                keeper = threading.Thread(target=self._renew, name="slots", daemon=True)
                keeper.start()
                self._keeper = keeper
        self._nudged.set()

    def _renew(self) -> None:
        """Fit the share to the runs and to the limit, as long as this process lives."""
        while True:
            if self._nudged.wait(ROUND_SECONDS):
                time.sleep(COALESCE_SECONDS)
            self._nudged.clear()
            for share in list(self._shares.values())[:1]:
                try:
                    share.context.copy().run(self._fit)
                except NoSlotsError:
                    pass  # the gate is shut
                except Exception as error:  # noqa: BLE001 - sending goes on with the share it has
                    get_logger("outreach.slots").warning(
                        "The share of %s was not renewed (%s)", LIMIT, type(error).__name__
                    )

    def _fit(self) -> None:
        """Renew the share, and take or give back slots until it fits."""
        with self._fitting, get_client(sync_client=True) as client:
            found = limit(client)
            wanted = sum(share.wanted for share in list(self._shares.values()))
            target = min(wanted, found.limit) if found.active else wanted
            if target < self.gate.size:
                self.gate.resize(target)  # now, whatever the server answers below
            self._leases = [lease for lease in self._leases if _is_kept(client, lease, found)]
            try:
                if _takes_back(found):
                    self._shrink(client, target)
                    self._grow(client, target)
            finally:
                self.gate.resize(min(self.number, target) if found.active else wanted)
                self._notes.write(lease.id for lease in self._leases)
        if wanted and target == 0:
            raise NoSlotsError(f"the limit {LIMIT}, which is at 0 (Prefect's UI, Concurrency)")

    @property
    def number(self) -> int:
        """Slots that this process has of the limit."""
        return sum(lease.slots for lease in self._leases)

    def _shrink(self, client: SyncPrefectClient, target: int) -> None:
        while self.number > target:
            lease = self._leases.pop()
            self.gate.resize(min(self.number, target))
            client.release_concurrency_slots_with_lease(lease.id)

    def _grow(self, client: SyncPrefectClient, target: int) -> None:
        """Takes what is free, in pieces; one slot at a time when a piece is too much."""
        piece = PIECE
        while (missing := target - self.number) > 0 and piece:
            slots = min(piece, missing)
            lease = _taken(client, slots)
            if lease is not None:
                self._leases.append(lease)
            elif slots == 1:
                return
            else:
                piece = 1


@contextmanager
def sender_slots(
    run: CampaignRun, plan: CampaignPlan, timeout_seconds: float = 60
) -> Iterator[Gate]:
    """A share of `gmail-send` for this run until the end of the block; each send passes the gate.

    The smaller of: its threads, the use of its accounts. Raises NoSlotsError.
    """
    threads = plan.threads
    usable = sum(ceil(SEND_SECONDS / pace) if pace else threads for pace in plan.paces)
    wanted = max(1, min(threads, usable))
    with slots().held(run.id, wanted, run.token, timeout_seconds) as gate:
        logger = run_log()
        logger.info("%d sender(s)", min(wanted, gate.size))
        with _mails_in_flight_recorded(run.token, gate), ended_if_cancelled(run.id, logger):
            yield gate


@contextmanager
def _mails_in_flight_recorded(token: RunToken, gate: Gate) -> Iterator[None]:
    """A run of its own process that is told to stop holds its share until all senders are idle."""
    try:
        yield
    except BaseException as error:
        if not token.stopped and is_stop(error):
            token.stop()
            deadline = time.monotonic() + IN_FLIGHT_SECONDS
            while not _are_recorded(gate, deadline):
                continue
        raise


def _are_recorded(gate: Gate, deadline: float) -> bool:
    """Wait for that until the deadline. False when told again to stop meanwhile."""
    try:
        if not gate.wait_until_empty(max(0, deadline - time.monotonic())):
            run_log().warning("A mail in flight was not recorded in time: settled later")
    except TerminationSignal as again:
        if is_stop(again):
            return False
        raise
    return True


@cache
def slots() -> Slots:
    """Of this process."""
    return Slots(Notes(current_settings().outreach_home))


def _takes_back(found: GlobalConcurrencyLimitResponse) -> bool:
    """Whether Prefect's server takes slots back: else they are kept until later.

    At 0 it fails to, as it divides by the limit. Of one that is off it would forget the lease, and
    count its slots as taken for good.
    """
    return found.active and found.limit > 0


def _is_kept(
    client: SyncPrefectClient, lease: _Lease, found: GlobalConcurrencyLimitResponse
) -> bool:
    """Renew it when that is due; False when it is gone."""
    now = time.monotonic()
    if now < lease.renewed_at + RENEW_SECONDS:
        return True
    try:
        client.renew_concurrency_lease(lease.id, LEASE_SECONDS)
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise
    except ObjectNotFound:
        pass
    else:
        lease.renewed_at = now
        return True
    if not _takes_back(found):
        return True  # looked at again later
    if now < lease.renewed_at + LEASE_SECONDS:
        # It did not lapse: a server that has its leases in memory was restarted, and keeps slots.
        client.release_concurrency_slots([LIMIT], lease.slots, now - lease.renewed_at)
    return False


def _taken(client: SyncPrefectClient, number: int) -> _Lease | None:
    """None when so many are not free, or when the limit was lowered or deleted meanwhile."""
    try:
        answer = client.increment_concurrency_slots_with_lease(
            [LIMIT], number, "concurrency", LEASE_SECONDS
        ).json()
    except httpx.HTTPStatusError as error:
        if error.response.status_code in (httpx.codes.LOCKED, httpx.codes.UNPROCESSABLE_ENTITY):
            return None
        raise
    return _Lease(UUID(answer["lease_id"]), number, time.monotonic())


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

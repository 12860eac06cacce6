"""Sends one mail and keeps its write-ahead record: claim, prepare, write ahead, post, record.

Only this module posts a lead's mail. docs/states.md says what follows when it dies between any two
steps.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import assert_never
from uuid import UUID, uuid4

from outreach.campaign.models import (
    Cancelled,
    Claim,
    Deferred,
    Draft,
    Failed,
    Follows,
    Gone,
    NotOurs,
    Open,
    Outcome,
    Sent,
    StillDraft,
    Unclear,
    WasSent,
)
from outreach.delivery.following import Looked
from outreach.delivery.mailer import Mailer, Prepared
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    LeadError,
    OutreachError,
    QuotaReached,
    RateLimited,
    SendUnclear,
    StoreUnavailable,
    TemplateNotReady,
    TemporarilyUnavailable,
)
from outreach.mail.content import Content
from outreach.mail.mime import Mail
from outreach.settings import Settings
from outreach.store.results import Attempted
from outreach.store.store import Store

BuildMail = Callable[[Claim, str], tuple[Mail, Content]]
"""(claim, search token) -> the complete mail, and what it was made from. Raises LeadError."""

UNSEEN_SECONDS = 900.0
"""Until a follow-up is tried again whose thread could not be looked at."""
UNREAD_SECONDS = 60.0
"""The same while a mail in its thread is not read yet, as the database has it."""
STOPPED_SECONDS = 10.0
"""For which a known outcome is still to be recorded once the run was told to stop. A try of its own
may take as long again; the process has 30 s.
"""
STOPPED = NotOurs(reason="the run was stopped")


class Sending:
    """Sends claims for one run. All threads of the run share one object."""

    def __init__(
        self,
        *,
        store: Store,
        mailer: Mailer,
        settings: Settings,
        run: UUID,
        build: BuildMail,
        wait: Callable[[float], bool],
        in_flight: Callable[[], AbstractContextManager[bool]],
        look: Callable[[Claim, Follows], Looked] | None = None,
    ) -> None:
        """`wait(seconds)` sleeps; True when the run is to stop.

        `in_flight()` is a place among the mails in flight; False when the run is to stop. `look` is
        that before a follow-up; without it none is sent.
        """
        self._store = store
        self._mailer = mailer
        self._settings = settings
        self._run = run
        self._build = build
        self._wait = wait
        self._in_flight = in_flight
        self._look = look

    def send(self, claim: Claim) -> Outcome:
        """Mail one lead, at its time, and record the outcome.

        Raises TemporarilyUnavailable only before anything was written ahead: then the same claim
        may be sent again. Raises ConfigurationError, with the lead still pending.
        """
        if self._stopped_before(claim.due):
            return STOPPED
        with self._in_flight() as is_free:
            if not is_free or self._wait(0):  # stopped while it waited for its turn
                return STOPPED
            looked = self._looked(claim)
            if not isinstance(looked, Looked):
                return self._record_before(claim, looked)
            claim = claim.model_copy(update={"reply": looked.reply}) if looked.reply else claim
            try:
                prepared, content = self._prepare(claim)
            except (LeadError, AccountUnusable) as error:
                return self._record_before(claim, self._judge(claim, error))
            outcome = self._begin_and_post(uuid4(), claim, prepared, content, looked.at)
            is_new = content is not None
            if isinstance(outcome, Failed | Cancelled) or (outcome.kind == "not_ours" and is_new):
                self._discard(prepared)
            return outcome

    def give_up(self, claim: Claim, error: TemporarilyUnavailable) -> Outcome:
        """After the last retry of a transient failure: defer the lead.

        A follow-up, which may have failed by its look alone, is not held to a day of failures.
        """
        seconds = UNSEEN_SECONDS if claim.follows is not None else None
        return self._record_before(claim, Deferred(reason=str(error), retry_after=seconds))

    def _looked(self, claim: Claim) -> Looked | Outcome:
        """What a look at the chain's threads says. A look that fails never fails the lead."""
        if claim.follows is None or self._look is None:
            return Looked(time.monotonic())
        try:
            looked = self._look(claim, claim.follows)
        except QuotaReached as error:
            return Deferred(reason=str(error), retry_after=self._pause(claim.sender.id, error))
        except AccountUnusable as error:
            return Deferred(reason=str(error), retry_after=UNSEEN_SECONDS)
        if looked.wait:
            return Deferred(reason=looked.wait, retry_after=UNREAD_SECONDS)
        return Cancelled(reason=looked.stop) if looked.stop else looked

    def _prepare(self, claim: Claim) -> tuple[Prepared, Content | None]:
        """The mail, ready to leave. No content: an earlier attempt made it, and has noted its own.

        An earlier attempt's draft is replaced where lead, text, file or sender were corrected.
        """
        draft = claim.draft
        if draft is not None and (self._is_right(claim, draft) or not self._store.holds(claim)):
            return _kept(claim, draft), None
        search_token = f"o{uuid4().hex}"
        mail, content = self._made(claim, search_token)
        thread_id = claim.reply.thread_id if claim.reply else None
        prepared = self._mailer.prepare(claim.sender.id, mail, search_token, thread_id)
        if draft is not None:
            if not self._took_back(_kept(claim, draft)):
                self._discard(prepared)
                return _kept(claim, draft), None
            self._insist(lambda: self._store.forget_draft(claim, draft.search_token))
        return prepared, content

    def _is_right(self, claim: Claim, draft: Draft) -> bool:
        """Whether the draft's mail is the one that the lead would get now."""
        _, content = self._made(claim, draft.search_token)
        return content.fingerprint == draft.fingerprint

    def _took_back(self, kept: Prepared) -> bool:
        """Delete it; False where it may have left: to send it once more fails, and is looked into.

        What an earlier try deleted, whose answer was lost, is gone and was never sent.
        """
        if self._mailer.discard(kept):
            return True
        finding = self._mailer.find(kept)
        return isinstance(finding, Gone) and finding.readable

    def _made(self, claim: Claim, search_token: str) -> tuple[Mail, Content]:
        try:
            return self._build(claim, search_token)
        except LeadError:
            raise
        except Exception as error:
            # One lead with unexpected data must not stop all the others.
            raise TemplateNotReady(f"Its mail cannot be made ({type(error).__name__}).") from error

    def _begin_and_post(
        self,
        attempt: UUID,
        claim: Claim,
        prepared: Prepared,
        content: Content | None,
        looked_at: float,
    ) -> Outcome:
        """Write the attempt ahead, then post; handle an attempt that may not go (yet)."""
        lapses_at = time.monotonic() + self._settings.claim_lease_seconds
        while True:
            asked_at = time.monotonic()
            try:
                begun = self._begin(attempt, claim, prepared, content, looked_at)
            except StoreUnavailable as error:
                if asked_at > lapses_at or self._wait(1):
                    # It may be written or not: the reconciler finds out which.
                    return Open(reason=str(error))
                continue
            match begun.answer:
                case "go":
                    until = asked_at + begun.budget_seconds
                    return self._record(attempt, self._post(attempt, claim, prepared, until))
                case "wait":
                    if self._stopped_before(asked_at + begun.wait_seconds):
                        return STOPPED
                case "deferred":
                    if content is not None:
                        self._discard(prepared)
                    return Deferred(reason=begun.reason, retry_after=begun.wait_seconds)
                case "failed":
                    return Failed(reason=begun.reason)
                case "cancelled":
                    return Cancelled(reason=begun.reason)
                case "not_ours":
                    return NotOurs(reason=begun.reason)
                case "settled":
                    # Its draft belongs to the reconciler that closed it: do not discard it here.
                    return Open(reason=begun.reason)
                case _:
                    assert_never(begun.answer)

    def _begin(
        self,
        attempt: UUID,
        claim: Claim,
        prepared: Prepared,
        content: Content | None,
        looked_at: float,
    ) -> Attempted:
        return self._store.begin_attempt(
            attempt,
            claim,
            self._run,
            prepared.search_token,
            prepared.draft_id,
            prepared.thread_id,
            time.monotonic() - looked_at if claim.follows and self._look else None,
            content,
        )

    def _post(self, attempt: UUID, claim: Claim, prepared: Prepared, until: float) -> Outcome:
        if time.monotonic() >= until:
            return Deferred(reason="the time to post it had passed", retry_after=0)
        try:
            return self._mailer.commit(prepared)
        except SendUnclear as error:
            return self._look_at_once(prepared, error)
        except (LeadError, AccountUnusable, TemporarilyUnavailable) as error:
            return self._judge(claim, error)
        except ConfigurationError as error:
            self._record(attempt, Deferred(reason=str(error), retry_after=0))
            raise

    def _look_at_once(self, prepared: Prepared, lost: SendUnclear) -> Outcome:
        """This run posted just now: a mail that is found was sent."""
        try:
            finding = self._mailer.find(prepared)
        except (TemporarilyUnavailable, QuotaReached, AccountUnusable, ConfigurationError):
            return Open(reason=str(lost))
        match finding:
            case WasSent():
                return Sent(message_id=finding.message_id, thread_id=finding.thread_id)
            case Gone(readable=False) if prepared.draft_id and not lost.draft_missing:
                # Our post removed the draft; these scopes cannot read the ids.
                return Sent(thread_id=prepared.thread_id)
            case Gone() | StillDraft():
                return Open(reason=str(lost))

    # --- record -------------------------------------------------------------------------

    def _judge(self, claim: Claim, error: Exception) -> Outcome:
        """The outcome of a certain refusal for the lead; marks the account if it is the cause."""
        account = claim.sender.id
        match error:
            case QuotaReached():
                return Deferred(reason=str(error), retry_after=self._pause(account, error))
            case AccountUnusable():
                # Without a database the account stays unmarked: its next lead marks it.
                with suppress(StoreUnavailable):
                    self._store.mark_account_unusable(account, str(error))
                if claim.follows is not None:
                    return Deferred(reason=str(error), retry_after=UNSEEN_SECONDS)
                return Failed(reason=str(error))
            case TemporarilyUnavailable():
                return Deferred(reason=str(error))
            case _:
                return Failed(reason=str(error))

    def _pause(self, account: UUID, error: QuotaReached) -> float:
        """Pause the account; returns seconds. A database error must not lose the lead's outcome."""
        try:
            return self._store.pause_account(
                account,
                error.retry_after,
                whole_project=error.whole_project,
                brief=isinstance(error, RateLimited),
            )
        except StoreUnavailable:
            return error.retry_after or 0.0

    def _record_before(self, claim: Claim, outcome: Outcome) -> Outcome:
        """Record an outcome that was decided before an attempt was written."""
        match outcome:
            case Failed():
                self._store.fail_lead(claim, outcome.reason)
            case Cancelled():
                self._store.leave_lead(claim, outcome.reason)
            case Deferred():
                self._store.defer_lead(
                    uuid4(), claim, self._run, outcome.reason, outcome.retry_after
                )
        return outcome

    def _record(self, attempt: UUID, outcome: Outcome) -> Outcome:
        """Where it cannot be recorded the attempt stays open: the next run reconciles it."""
        self._insist(lambda: record(self._store, attempt, outcome))
        return outcome

    def _insist(self, write: Callable[[], None]) -> None:
        """Write it, however long the database is away: what Gmail did must not be forgotten."""
        pause, until = 0.1, math.inf
        while time.monotonic() < until:
            try:
                write()
            except StoreUnavailable:
                if until == math.inf and self._wait(pause):
                    # At once: who stopped us may have waited for the database, too.
                    until, pause = time.monotonic() + STOPPED_SECONDS, 0.1
                elif until < math.inf:
                    time.sleep(pause)
                pause = min(pause * 2, 10)
            else:
                return

    def _discard(self, prepared: Prepared) -> None:
        """Best effort: the sweep deletes a draft that stays."""
        with suppress(OutreachError, ConfigurationError):
            self._mailer.discard(prepared)

    def _stopped_before(self, moment: float) -> bool:
        """Sleep until `moment`, in seconds of the monotonic clock; True when told to stop."""
        while (left := moment - time.monotonic()) > 0:
            if self._wait(left):
                return True
        return False


def _kept(claim: Claim, draft: Draft) -> Prepared:
    return Prepared(
        account_id=claim.sender.id,
        search_token=draft.search_token,
        draft_id=draft.id,
        thread_id=draft.thread_id,
        joins=claim.reply is not None,
    )


def record(store: Store, attempt: UUID, outcome: Outcome) -> None:
    """Record the outcome of an attempt; an open one stays unchanged."""
    match outcome:
        case Sent():
            store.record_outcome(
                attempt, "sent", message_id=outcome.message_id, thread_id=outcome.thread_id
            )
        case Failed():
            store.record_outcome(attempt, "refused", why=outcome.reason)
        case Deferred():
            store.record_outcome(
                attempt, "not_sent", why=outcome.reason, again_after=outcome.retry_after
            )
        case Unclear():
            store.record_outcome(attempt, "unclear", why=outcome.reason)
        case Open() | Cancelled() | NotOurs():
            pass
        case _:
            assert_never(outcome)

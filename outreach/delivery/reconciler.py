"""Reconciles open attempts: finds the outcome of mails whose sender died or lost the response.
Never posts a mail again.
"""

import time
from collections.abc import Callable
from typing import Final, assert_never
from uuid import UUID

from outreach.campaign.models import (
    Deferred,
    Finding,
    Gone,
    Open,
    OpenAttempt,
    Outcome,
    Sent,
    StillDraft,
    Unclear,
    WasSent,
)
from outreach.delivery.mailer import Mailer, Prepared
from outreach.delivery.sender import record
from outreach.errors import (
    AccountUnusable,
    QuotaReached,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from outreach.settings import Settings
from outreach.store.store import Store

DAY = 24 * 60 * 60
ORPHAN_SECONDS = 60 * 60
LASTING_SECONDS = 60 * 60
"""After a weekend's sleep of the machine the first look may fail: what passes has to last."""
UNREADABLE = (TemporarilyUnavailable, QuotaReached, AccountUnusable)

_unread: Final[dict[UUID, tuple[float, float]]] = {}
"""Of this process: accounts that cannot be looked into, with the first and the last such look."""


class Settling:
    """Decides about open attempts, by the table in docs/states.md."""

    def __init__(
        self,
        store: Store,
        mailer: Mailer,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: seconds, for how long an account cannot be read; it goes on while we sleep."""
        self._clock = clock
        self._store = store
        self._mailer = mailer
        self._settle_after = settings.settle_after_seconds
        self._missing_after = settings.settle_after_seconds + 15 * settings.gmail_settle_seconds

    def settle(self, attempt: OpenAttempt) -> Outcome:
        """Find and record the outcome of the mail; Open when it is too early to know.

        Raises StoreUnavailable, and ConfigurationError when Google refuses our client.
        """
        if attempt.age_seconds < self._settle_after or attempt.campaign_paused:
            return Open(reason="it may still be on its way")
        outcome = self._find_out(attempt)
        record(self._store, attempt.id, outcome)
        return outcome

    def sweep(self, account: UUID, *, older_than: float = ORPHAN_SECONDS) -> int:
        """Delete our orphan drafts: older than `older_than` seconds and in no attempt.

        Their sender died before it could write an attempt ahead. Returns the number of deleted
        drafts.
        """
        orphans = [d for d in self._mailer.drafts(account) if d.age_seconds > older_than]
        in_use = self._store.drafts_in_use([draft.id for draft in orphans])
        return sum(
            self._mailer.discard(Prepared(account, draft.search_token, draft.id))
            for draft in orphans
            if draft.id not in in_use
        )

    def _find_out(self, attempt: OpenAttempt) -> Outcome:
        try:
            outcome = self._judge(attempt, self._mailer.find(_prepared(attempt)))
        except StoreUnavailable:
            raise  # it says nothing of the account
        except UNREADABLE as error:
            lasts = isinstance(error, AccountUnusable) or self._lasts(attempt.account_id)
            if attempt.age_seconds < DAY or not lasts:
                return Open(reason=str(error))
            return Unclear(reason=f"the account could not be read for a day: {error}")
        _unread.pop(attempt.account_id, None)
        return outcome

    def _lasts(self, account: UUID) -> bool:
        """Whether no look into it has succeeded for long; looks are a minute apart."""
        now = self._clock()
        first, last = _unread.get(account, (now, now))
        if now - last >= LASTING_SECONDS:
            first = now  # nobody looked meanwhile
        _unread[account] = first, now
        return now - first >= LASTING_SECONDS

    def _judge(self, attempt: OpenAttempt, finding: Finding) -> Outcome:
        match finding:
            case WasSent():
                return Sent(message_id=finding.message_id, thread_id=finding.thread_id)
            case StillDraft() if attempt.campaign_cancelled:
                return self._take_back(attempt)
            case StillDraft():
                # Not sent, and the draft goes out with the lead's next claim.
                return Deferred(reason="the run died before the mail left", retry_after=0)
            case Gone(readable=True) if attempt.age_seconds < self._missing_after:
                return Open(reason="Gmail may not show it yet")
            case Gone(readable=True):
                return Unclear(reason="neither its draft nor the mail was found")
            case Gone():
                return Unclear(reason="the account's scopes cannot show whether it left")
            case _:
                assert_never(finding)

    def _take_back(self, attempt: OpenAttempt) -> Outcome:
        if self._mailer.discard(_prepared(attempt)):
            return Deferred(reason="the campaign was cancelled before it left", retry_after=0)
        return Open(reason="the draft has just left")


def _prepared(attempt: OpenAttempt) -> Prepared:
    return Prepared(
        attempt.account_id,
        attempt.search_token,
        attempt.draft_id,
        attempt.thread_id,
        attempt.joins,
    )

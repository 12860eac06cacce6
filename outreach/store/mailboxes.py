"""The record of mailboxes and of what came back: one method per SQL function."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from pydantic import Field

from outreach.campaign.mailboxes import ListedMailbox, Returned
from outreach.campaign.models import Called, Model, Told
from outreach.excerpts import REASON, cut
from outreach.store.calls import Calls


class LeasedMailbox(Model):
    """A mailbox that this reader reads, and nobody else for now."""

    account: UUID
    email: str
    history_id: str | None
    """Gmail's id of the last change that was read; None: read the list of mails."""
    since: datetime
    """What arrived from then on may be unread."""
    footers: list[str] = Field(default_factory=list)
    """Templates that mails of this account end with."""


class SentMail(Model):
    """A mail of ours that a received mail may be about."""

    attempt: UUID
    by: Literal["token", "thread", "address"]
    message_id: str | None
    """Gmail's id of it."""
    thread: str | None
    address: str
    """Of its recipient, as `mailbox_key` gives it."""
    owner: UUID | None
    started_at: datetime
    softs: int
    """Soft bounces of the address in the 30 days before, since it answered last."""


class AboutMail(NamedTuple):
    """What a received mail says of one mail of ours."""

    attempt: UUID
    verdict: str
    status: str


class Picked(NamedTuple):
    """Of some received mails: those that concern us, those that are recorded, our own."""

    ours: frozenset[str]
    known: frozenset[str]


class Unannounced(Model):
    """A received mail that Prefect was not told of, and one mail of ours that it is about."""

    id: UUID
    kind: str
    at: datetime
    account: UUID
    via: str
    campaign: UUID | None
    name: Called | None
    lead: UUID | None
    verdict: str | None
    status: str | None


class GuardedCampaign(Model):
    """A campaign that the guard has paused."""

    campaign: UUID
    name: Called
    dead: int
    sent: int


class GuardedAccount(Model):
    """An account that the guard lets rest."""

    account: UUID
    email: str
    dead: int
    sent: int
    reason: Told


class Mailboxes(Calls):
    """Methods with `reader` answer False, or None, when another reader has the mailbox."""

    def take(
        self,
        reader: UUID,
        *,
        lease_seconds: float,
        rest_seconds: float,
        most: int,
        address: str | None = None,
        account: UUID | None = None,
    ) -> list[LeasedMailbox]:
        """Lease mailboxes that were not read for `rest_seconds`; or that of one account, now."""
        rows = self._call(
            "take_mailboxes",
            reader=reader,
            lease_seconds=lease_seconds,
            rest_seconds=rest_seconds,
            most=most,
            address=address,
            account=account,
        )
        return [LeasedMailbox.model_validate(row) for row in rows]

    def keep(
        self, account: UUID, reader: UUID, lease_seconds: float, history_id: str | None = None
    ) -> bool:
        """Prolong the lease; with `history_id` move the cursor there."""
        return bool(
            self._call(
                "keep_mailbox",
                account=account,
                reader=reader,
                lease_seconds=lease_seconds,
                history=history_id,
            )
        )

    def finish(
        self,
        account: UUID,
        reader: UUID,
        history_id: str,
        *,
        scopes: str,
        gap_since: datetime | None = None,
    ) -> bool:
        """Give it back: all that had arrived when the reading began is recorded."""
        return bool(
            self._call(
                "finish_mailbox",
                account=account,
                reader=reader,
                history=history_id,
                granted=scopes,
                gap_since=gap_since,
            )
        )

    def fail(
        self,
        account: UUID,
        reader: UUID,
        why: str,
        *,
        readable: bool | None = None,
        scopes: str | None = None,
        wait_seconds: float | None = None,
    ) -> bool:
        """Give it back unread; whether it did not fail for this reason before."""
        rows = self._call(
            "fail_mailbox",
            account=account,
            reader=reader,
            why=cut(why, REASON),
            readable=readable,
            granted=scopes,
            wait_seconds=wait_seconds,
        )
        return any(row["is_new"] for row in rows)

    def note_unread(self, account: UUID, gmail_id: str) -> int:
        """One more round in which this mail could not be read; returns in how many."""
        return int(self._one("note_unread", account=account, mail=gmail_id)["failures"])

    def pick(self, account: UUID, mails: list[dict[str, str | None]]) -> Picked:
        """Of mails {id, thread, sender}, at most some hundred."""
        rows = self._call("pick_inbound", account=account, mails=mails)
        known = frozenset(row["id"] for row in rows if row["known"])
        return Picked(frozenset(row["id"] for row in rows) - known, known)

    def find(
        self,
        account: UUID,
        *,
        token: str | None,
        threads: list[str],
        addresses: list[str],
        received: datetime,
    ) -> list[SentMail]:
        """Mails of the account by the token, in the threads, and the last one to each address."""
        rows = self._call(
            "find_mails",
            account=account,
            token=token,
            threads=threads,
            addresses=addresses,
            received=received,
        )
        return [SentMail.model_validate(row) for row in rows]

    def record(
        self,
        account: UUID,
        reader: UUID,
        *,
        gmail_id: str,
        thread: str | None,
        kind: str,
        received: datetime,
        back_on: date | None,
        mails: list[AboutMail],
    ) -> Literal["recorded", "known", "not_ours"]:
        """Record a received mail, once; `not_ours` when another reader has the mailbox."""
        rows = [
            {"attempt": str(about.attempt), "verdict": about.verdict, "status": about.status}
            for about in mails
        ]
        answer = self._one(
            "record_inbound",
            account=account,
            reader=reader,
            mail={
                "gmail_id": gmail_id,
                "thread": thread,
                "kind": kind,
                "received_at": received.isoformat(),
                "back_on": back_on.isoformat() if back_on else None,
            },
            # An empty list would be an array of Postgres, not of JSON.
            **({"mails": rows} if rows else {}),
        )
        return answer["answer"]  # type: ignore[no-any-return]

    def all(self) -> Iterator[ListedMailbox]:
        for row in self._pages("list_mailboxes"):
            yield ListedMailbox.model_validate(row)

    def replies(self, campaign: UUID) -> Iterator[Returned]:
        """What came back to a campaign, the oldest first."""
        for row in self._pages("list_replies", campaign=campaign):
            yield Returned.model_validate(row)

    def note_answer(self, address: str, by: str, campaign: UUID | None = None) -> tuple[int, int]:
        """A person answered otherwise than by mail: mails that count as answered now, and before.

        Raises Rejected where nothing was sent to the address.
        """
        answer = self._one("note_answer", address=address, by_name=by, campaign=campaign)
        return int(answer["leads"]), int(answer["known"])

    # --- after a round ----------------------------------------------------------------------

    def unannounced(self) -> list[Unannounced]:
        """Some of what Prefect was not told of, the oldest first."""
        return [Unannounced.model_validate(row) for row in self._call("list_unannounced")]

    def note_announced(self, received: list[UUID]) -> None:
        self._call("note_announced", received=[str(one) for one in received])

    def guard_campaigns(self, share: float, least: int) -> list[GuardedCampaign]:
        """Pause campaigns of whose last `least` mails or more this share met dead addresses."""
        rows = self._call("guard_campaigns", share=share, least_mails=least)
        return [GuardedCampaign.model_validate(row) for row in rows]

    def guard_accounts(self, share: float, least: int) -> list[GuardedAccount]:
        """Let accounts rest for a day, by the same rule over all campaigns."""
        rows = self._call("guard_accounts", share=share, least_mails=least)
        return [GuardedAccount.model_validate(row) for row in rows]

    def wake_account(self, email: str) -> None:
        """End the account's rest. Raises Rejected where there is no such account."""
        self._one("wake_account", address=email)

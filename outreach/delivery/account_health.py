"""Whether an account can send, and what its mails are promised: its row, and what Google grants."""

from typing import Literal, Protocol
from uuid import UUID

from outreach.campaign.explain import words
from outreach.campaign.models import Account, Model
from outreach.delivery.modes import delivers


class Mailbox(Protocol):
    """What Google says of an account.

    Both raise AccountUnusable, ConfigurationError or TemporarilyUnavailable.
    """

    def delivery(self, account_id: UUID) -> Literal["drafts", "direct"]: ...
    def scopes(self, account_id: UUID) -> frozenset[str]: ...


class Standing(Model):
    verdict: Literal["ok", "warn", "fail"]
    told: str
    """For a person; without the account's address."""
    todo: str | None = None
    delivery: Literal["drafts", "direct"]


def standing(account: Account, mailbox: Mailbox) -> Standing:
    """Asks Google for a token; raises what `Mailbox` raises."""
    granted, delivery = mailbox.scopes(account.id), mailbox.delivery(account.id)
    told = delivers(delivery, granted)
    if account.status == "unusable":
        return Standing(
            verdict="fail",
            told=f"Its token works, but it is marked unusable: {account.status_reason}",
            todo=f"connect it again with `outreach accounts connect {account.email}`",
            delivery=delivery,
        )
    if account.paused_seconds:
        return Standing(
            verdict="warn",
            told=f"{told}; rests for {words(account.paused_seconds)}",
            delivery=delivery,
        )
    return Standing(verdict="ok", told=told, delivery=delivery)

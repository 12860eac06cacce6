"""Whether an account can send, and what its mails are promised: its row, and what Google grants."""

from typing import Literal, Protocol
from uuid import UUID

from outreach.campaign.durations import format_duration
from outreach.campaign.models import Account, Model
from outreach.delivery.modes import delivers


class Mailbox(Protocol):
    """What Google says of an account.

    Both raise AccountUnusable, ConfigurationError or TemporarilyUnavailable.
    """

    def delivery(self, account_id: UUID) -> Literal["drafts", "direct"]: ...
    def scopes(self, account_id: UUID) -> frozenset[str]: ...


class AccountHealth(Model):
    severity: Literal["ok", "warning", "error"]
    message: str
    """For a person; without the account's address."""
    remedy: str = ""
    delivery: Literal["drafts", "direct"]


def account_health(account: Account, mailbox: Mailbox) -> AccountHealth:
    """Asks Google for a token; raises what `Mailbox` raises."""
    granted, delivery = mailbox.scopes(account.id), mailbox.delivery(account.id)
    message = delivers(delivery, granted)
    if account.status == "unusable":
        return AccountHealth(
            severity="error",
            message=f"Its token works, but it is marked unusable: {account.status_reason}",
            remedy=f"connect it again with `outreach accounts connect {account.email}`",
            delivery=delivery,
        )
    if account.paused_seconds:
        return AccountHealth(
            severity="warning",
            message=f"{message}; rests for {format_duration(account.paused_seconds)}",
            delivery=delivery,
        )
    return AccountHealth(severity="ok", message=message, delivery=delivery)

"""Health of an account: whether it can send, and which delivery guarantee its scopes allow."""

from typing import Literal, Protocol
from uuid import UUID

from outreach import commands
from outreach.campaign.models import Account, Model
from outreach.delivery.mailbox_health import MailboxTrouble, mailbox_trouble
from outreach.delivery.modes import READ, delivers


class Mailbox(Protocol):
    """Google's view of an account.

    Both raise AccountUnusable, ConfigurationError or TemporarilyUnavailable.
    """

    def delivery(self, account_id: UUID) -> Literal["drafts", "direct"]: ...
    def scopes(self, account_id: UUID) -> frozenset[str]: ...


class AccountHealth(Model):
    severity: Literal["ok", "warning", "error"]
    message: str
    """For people; without the account's address."""
    remedy: str = ""
    delivery: Literal["drafts", "direct"]
    mailbox: MailboxTrouble | None = None
    """Why what comes back to it stays unseen; None when it is read."""


def account_health(account: Account, mailbox: Mailbox) -> AccountHealth:
    """The account's health, with a token request to Google. Raises as `Mailbox` does."""
    granted, delivery = mailbox.scopes(account.id), mailbox.delivery(account.id)
    message = delivers(delivery, granted)
    trouble = mailbox_trouble(account, can_read=bool(granted & READ))
    if account.status == "unusable":
        return AccountHealth(
            severity="error",
            message=f"Its token works, but it is marked unusable: {account.status_reason}",
            remedy=f"connect it again with {commands.connect_account(account.email)}",
            delivery=delivery,
            mailbox=trouble,
        )
    if account.resting:
        return AccountHealth(
            severity="warning",
            message=f"{message}; {account.resting}",
            delivery=delivery,
            mailbox=trouble,
        )
    return AccountHealth(severity="ok", message=message, delivery=delivery, mailbox=trouble)

"""Health of an account's mailbox: whether what comes back to it is read."""

from typing import NamedTuple

from outreach import commands
from outreach.campaign.durations import format_duration
from outreach.campaign.models import Account
from outreach.delivery.modes import UNREAD

STALE_SECONDS = 15 * 60.0
"""A worker reads each mailbox every minute or two."""


class MailboxTrouble(NamedTuple):
    """Both are clauses without a period."""

    problem: str
    remedy: str


def mailbox_trouble(account: Account, *, can_read: bool | None) -> MailboxTrouble | None:
    """Why what comes back to the account stays unseen; None when it is read, or nothing left yet.

    `can_read`: whether its scopes allow it, as Google says now; None: not asked.
    """
    mailbox, connect = account.mailbox, commands.connect_account(account.email)
    if can_read is False or (can_read is None and mailbox.can_read is False):
        return MailboxTrouble(UNREAD, f"grant that with {connect}")
    was_granted_since = can_read and mailbox.can_read is False
    if mailbox.problem and not was_granted_since:
        problem = f"Its mailbox could not be read: {mailbox.problem.removesuffix('.')}"
        return MailboxTrouble(problem, f"if that stays, connect it again with {connect}")
    if (unread := mailbox.unread_seconds or 0) > STALE_SECONDS:
        problem = f"Its mailbox was not read for {format_duration(unread)}"
        remedy = f"see whether {commands.WORKER} runs, or read it with {commands.READ_MAILBOXES}"
        return MailboxTrouble(problem, remedy)
    return None

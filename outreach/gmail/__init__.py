"""Gmail: the Mailer, with drafts where the account allows them, and the Inbox."""

from outreach.gmail.inbox import GmailInbox
from outreach.gmail.mailbox import Gmail

__all__ = ["Gmail", "GmailInbox"]

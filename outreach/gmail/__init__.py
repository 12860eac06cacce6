"""The Mailer for Gmail: drafts where the account allows them, direct sends where it does not."""

from outreach.gmail.mailbox import Gmail

__all__ = ["Gmail"]

"""Errors, grouped by what they stop: a lead, an account, a run, or a single try.

Every message is one sentence for a person: a problem and, where a person can act, a remedy. No
message holds a token or a whole address of a lead.
"""

import os
from uuid import UUID

from outreach import commands
from outreach.urls import shown


class Explained(Exception):
    """`problem; remedy.`, or the problem alone, as a sentence."""

    afterwards = ""
    """The step after the remedy."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem.removesuffix(".")
        """A clause, for what says it in other words."""
        self.remedy = remedy
        super().__init__(f"{self.problem}; {remedy}{self.afterwards}." if remedy else problem)


class OutreachError(Explained):
    """Base of all errors that the flows handle."""


# --- one lead -------------------------------------------------------------------------------


class LeadError(OutreachError):
    """Stops one lead; the campaign goes on."""

    afterwards = f", then run {commands.RETRY_FAILED}"


class RecipientRefused(LeadError):
    """Gmail refuses this recipient or this message for good. Certainly not sent."""


class TemplateNotReady(LeadError):
    """The lead's mail cannot be made: no template, or one that this lead cannot fill."""


class QuotaReached(LeadError):
    """Gmail wants a pause. Certainly not sent; the lead goes later and never fails for this."""

    def __init__(
        self, reason: str, *, retry_after: float | None, whole_project: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds until a retry makes sense; None when Gmail does not say."""
        self.whole_project = whole_project
        """True when all accounts share the quota, not only this one."""


class RateLimited(QuotaReached):
    """Gmail wants fewer requests of this account for a moment. Certainly not sent."""


class SendUnclear(LeadError):
    """The mail may or may not have left: reconcile it, never post it again blindly."""

    def __init__(self, reason: str, *, draft_missing: bool = False) -> None:
        super().__init__(reason)
        self.draft_missing = draft_missing
        """True when Gmail has no such draft: sent before, or deleted by hand."""


# --- one account ----------------------------------------------------------------------------


class AccountUnusable(OutreachError):
    """The account cannot send until an operator fixes it. Certainly not sent."""


# --- the run --------------------------------------------------------------------------------


class RunError(OutreachError):
    """Stops the campaign before anything more is sent; not retried."""

    afterwards = ", then start it again"


class CampaignNotFound(RunError):
    afterwards = ""

    def __init__(self, campaign_id: UUID) -> None:
        super().__init__(
            f"There is no campaign {campaign_id}",
            f"{commands.LIST_CAMPAIGNS} shows those that exist",
        )


class NoAccounts(RunError):
    def __init__(self) -> None:
        super().__init__("The campaign has no Gmail account", "add one to campaign_accounts")


class AccountMissing(RunError):
    def __init__(self, leads: int) -> None:
        super().__init__(
            f"{leads} pending lead(s) are assigned to an account that the campaign does not have",
            "add that account to campaign_accounts or assign them to another",
        )


class NeverOpen(RunError):
    def __init__(self) -> None:
        super().__init__(
            "The campaign's sending window never opens",
            "correct its time_zone, send_days, send_from and send_until",
        )


class AttachmentMissing(RunError):
    def __init__(self, attachment: str, cause: str) -> None:
        """Shows only host and path of an `attachment` address."""
        super().__init__(
            f"The attachment {shown(attachment)!r} cannot be read ({cause})",
            "correct ATTACHMENT_PDF or the campaign's attachment",
        )


# --- transient ------------------------------------------------------------------------------


class TemporarilyUnavailable(OutreachError):
    """A dependency is away for a moment and certainly nothing was sent: worth a retry."""


class StoreUnavailable(TemporarilyUnavailable):
    """The database cannot be reached or is overloaded. Every Store method may be called again."""


class StoreFull(StoreUnavailable):
    """The database has no room for a record: transient, once an operator has made room."""

    def __init__(
        self, problem: str = "The database's disk is full", remedy: str = "make room on it"
    ) -> None:
        super().__init__(problem, remedy)


# --- refused input and configuration: outside the base class, never retried ---------------------


class ConfigurationError(Explained):
    """A setting, or its target, is wrong; the message says which one and what to do."""


class SchemaMismatch(ConfigurationError):
    """The database's schema is of a release that this version may not use; nothing was changed."""

    def __init__(self, difference: str, remedy: str) -> None:
        """`difference` is a clause: `its schema is of …`."""
        super().__init__(f"The database does not fit this version: {difference}", remedy)


class Rejected(Explained):
    """The request cannot be done; the message says why and what to do instead."""


def reason_of(error: OSError) -> str:
    """The operating system's words: Python adds the address to some of its own."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)

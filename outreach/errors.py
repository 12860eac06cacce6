"""What can go wrong, named by what it stops: a lead, an account, a run, or nothing for long.

Every message is one sentence for a person; none holds a token or a whole address of a lead.
"""

from uuid import UUID

from outreach.urls import shown


class OutreachError(Exception):
    """Base of everything that the flows know how to deal with."""


# --- one lead -------------------------------------------------------------------------------


class LeadError(OutreachError):
    """Stops one lead; the campaign goes on."""


class RecipientRefused(LeadError):
    """Gmail refuses this recipient or this message for good. Certainly not sent."""


class TemplateNotReady(LeadError):
    """The lead's mail cannot be made: no template, or one that this lead cannot fill."""


class QuotaReached(LeadError):
    """Gmail wants a pause. Certainly not sent; the lead goes later and never fails for this."""

    def __init__(self, reason: str, *, retry_after: float, whole_project: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds until it is worth asking again."""
        self.whole_project = whole_project
        """True when every account shares the quota, not just this one."""


class SendUnclear(LeadError):
    """The mail may or may not have left: find out, never post it again blindly."""

    def __init__(self, reason: str, *, draft_missing: bool = False) -> None:
        super().__init__(reason)
        self.draft_missing = draft_missing
        """True when Gmail said that the draft was not there: sent before, or deleted by hand."""


# --- one account ----------------------------------------------------------------------------


class AccountUnusable(OutreachError):
    """The account cannot send until a person mends it. Certainly not sent."""


# --- the run --------------------------------------------------------------------------------


class RunError(OutreachError):
    """Stops the campaign before anything more is sent; not retried."""


class CampaignNotFound(RunError):
    def __init__(self, campaign_id: UUID) -> None:
        super().__init__(
            f"There is no campaign {campaign_id}; `outreach campaigns list` shows those that exist."
        )


class NoAccounts(RunError):
    def __init__(self) -> None:
        super().__init__(
            "The campaign has no Gmail account; add one to campaign_accounts, then start it again."
        )


class AccountMissing(RunError):
    def __init__(self, leads: int) -> None:
        super().__init__(
            f"{leads} pending lead(s) are assigned to an account that the campaign does not have; "
            "add that account to campaign_accounts or assign them to another, then start it again."
        )


class NeverOpen(RunError):
    def __init__(self) -> None:
        super().__init__(
            "The campaign's sending window never opens; correct its time_zone, send_days, "
            "send_from and send_until, then start it again."
        )


class AttachmentMissing(RunError):
    def __init__(self, attachment: str, cause: str) -> None:
        """Of an address that is an `attachment` host and path alone are told."""
        super().__init__(
            f"The attachment {shown(attachment)!r} cannot be read ({cause}); "
            "correct ATTACHMENT_PDF or the campaign's attachment, then start it again."
        )


# --- passing --------------------------------------------------------------------------------


class TemporarilyUnavailable(OutreachError):
    """Something is away for a moment and it is certain that nothing was sent: worth a retry."""


class StoreUnavailable(TemporarilyUnavailable):
    """The database cannot be reached or is overloaded. Every Store method may be called again."""


class StoreFull(StoreUnavailable):
    """The database has no room for what is to be recorded: passing, once a person made some."""

    def __init__(self, reason: str = "The database's disk is full; make room on it.") -> None:
        super().__init__(reason)


# --- refused input and configuration: outside the base class, never retried ---------------------


class ConfigurationError(Exception):
    """A setting, or what it points to, is wrong; the message says which and what to do."""


class SchemaMismatch(ConfigurationError):
    """The database's schema is of a release that this version may not use; nothing was changed."""

    def __init__(self, difference: str) -> None:
        """`difference` is a clause with what to do: `its schema is of …; run …`."""
        super().__init__(f"The database does not fit this version: {difference}.")


class Rejected(Exception):
    """What was asked for cannot be done; the message says why and what to do instead."""

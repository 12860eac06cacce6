"""How a campaign stands, all of it: its row, how fast it goes, and why nothing moves. Pure."""

from datetime import datetime

from pydantic import Field

from outreach.campaign.explain import account_state, end, why_nothing_is_sent
from outreach.campaign.models import CampaignStatus, LeadCounts, Model
from outreach.campaign.progress import AccountProgress, Progress, mails_a_minute


class AccountReport(Model):
    """One account's part of it."""

    email: str | None
    """None: leads that no account is to send."""
    leads: LeadCounts
    sent_today: int
    """Mails of the last 24 hours that left or may have, of all campaigns."""
    daily_limit: int
    """The one in force."""
    pace_seconds: float
    """The one in force."""
    state: str
    """In a few words, what is up with it."""


class CampaignReport(CampaignStatus):
    """The shape of `outreach campaigns status --json`: a contract with scripts."""

    mails_a_minute: float | None
    """As of the last five minutes; None while none leave."""
    ends: str | None
    """When, in words; None where nobody can say."""
    now: str | None
    """Why nothing is sent, and what to do about it; None while mails leave."""
    by_account: list[AccountReport] = Field(default_factory=list)


def report(status: CampaignStatus, progress: Progress, now: datetime) -> CampaignReport:
    """`now` is for o'clocks alone."""
    return CampaignReport(
        **{name: getattr(status, name) for name in CampaignStatus.model_fields},
        mails_a_minute=mails_a_minute(progress),
        ends=end(progress, now),
        now=why_nothing_is_sent(progress, now),
        by_account=[_account(one) for one in progress.accounts],
    )


def _account(account: AccountProgress) -> AccountReport:
    return AccountReport(
        email=account.email,
        leads=account.leads,
        sent_today=account.sent_today,
        daily_limit=account.daily_limit,
        pace_seconds=account.pace_seconds,
        state=account_state(account),
    )

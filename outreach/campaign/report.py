"""Pure: full report on a campaign: its row, its speed, and why it sends no mail."""

from datetime import date, datetime

from pydantic import Field

from outreach.campaign.explain import account_state, end, why_nothing_is_sent
from outreach.campaign.models import CampaignStatus, LeadCounts, Model, NotMailed
from outreach.campaign.progress import AccountProgress, Progress, mails_a_minute


class AccountReport(Model):
    """One account's part of the campaign."""

    email: str | None
    """None: leads without an account."""
    leads: LeadCounts
    sent_today: int
    """Mails of the last 24 hours that left or may have left, of all campaigns."""
    daily_limit: int
    """The limit in force."""
    pace_seconds: float
    """The pace in force, in seconds."""
    state: str
    """The account's state in a few words."""


class CampaignReport(CampaignStatus):
    """The shape of `outreach campaigns status --json`: a contract with scripts."""

    mails_a_minute: float | None
    """Over the last five minutes; None while none leave."""
    ends: str | None
    """The expected end in words; None when it cannot be estimated."""
    now: str | None
    """Why no mail is sent, and the remedy; None while mails leave."""
    by_account: list[AccountReport] = Field(default_factory=list)
    skip_dates: list[date] = Field(default_factory=list)
    """Dates on which its window does not open."""
    not_mailed: list[NotMailed] = Field(default_factory=list)
    """Why leads are cancelled while the campaign is not."""


def report(
    status: CampaignStatus,
    progress: Progress,
    now: datetime,
    not_mailed: list[NotMailed] | None = None,
) -> CampaignReport:
    """`now` is for times of day only."""
    return CampaignReport(
        **{name: getattr(status, name) for name in CampaignStatus.model_fields},
        mails_a_minute=mails_a_minute(progress),
        ends=end(progress, now),
        now=why_nothing_is_sent(progress, now),
        by_account=[_account(one) for one in progress.accounts],
        skip_dates=progress.skip_dates or [],
        not_mailed=not_mailed or [],
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

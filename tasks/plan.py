"""What a run reads and decides once, before its first mail; nothing of it changes afterwards."""

from dataclasses import dataclass

from outreach.campaign.models import LeadCounts
from outreach.delivery import attachments
from outreach.delivery.web_address import known_address
from outreach.errors import AccountMissing, NeverOpen, NoAccounts
from outreach.mail.mime import Attachment
from outreach.mail.unsubscribe import NONE as NO_OPT_OUT
from outreach.mail.unsubscribe import OptOut, opt_out
from tasks.run import CampaignRun


@dataclass(frozen=True)
class CampaignPlan:
    """The result of `check`. Later phases take it as an argument."""

    name: str
    leads: LeadCounts
    """The campaign's counts when this run began."""
    paces: tuple[float, ...]
    """Seconds between two mails, one entry per account."""
    attachment: Attachment | None
    threads: int
    """Senders at most: SEND_CONCURRENCY."""
    opt_out: OptOut = NO_OPT_OUT
    by_mail_alone: str = ""
    """Why its recipients cannot unsubscribe by a web address, where they should."""

    @property
    def accounts(self) -> int:
        return len(self.paces)

    @property
    def mails_a_second(self) -> float:
        """The highest rate that the accounts' paces allow; infinite when one has no pace."""
        return sum(1 / pace if pace else float("inf") for pace in self.paces)


@dataclass(frozen=True)
class Deferral:
    """The campaign goes on in `seconds`; `reason`: the thing that it waits for."""

    seconds: float
    reason: str


def make_plan(run: CampaignRun) -> CampaignPlan:
    """Read everything that can stop the campaign, and decide how it is sent.

    Raises NoAccounts, AccountMissing, NeverOpen or AttachmentMissing.
    """
    settings, found = run.services.settings, run.store.check_campaign(run.campaign)
    if found.accounts == 0:
        raise NoAccounts
    if found.misassigned:
        raise AccountMissing(found.misassigned)
    if not found.opens:
        raise NeverOpen
    default = settings.send_pace_seconds
    web = known_address(run.store, settings)
    return CampaignPlan(
        name=found.name,
        leads=found.leads,
        paces=tuple(default if pace is None else pace for pace in found.pace_seconds or []),
        attachment=attachments.load(settings.attachment_pdf, found.attachment),
        threads=settings.send_concurrency,
        opt_out=opt_out(web.base, found.footer, in_header=found.list_unsubscribe),
        by_mail_alone=web.problem if found.list_unsubscribe else "",
    )

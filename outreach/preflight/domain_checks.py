"""Looks up the domains of a campaign's accounts and leads, beside its other checks.

Of leads' domains a bounded number is looked up, those of the first leads; notes say what was not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from outreach.campaign.snapshot import CampaignAccount, PlannedMail
from outreach.domains.lookups import Lookups
from outreach.domains.recipient import Receiving
from outreach.domains.sender import GOOGLES, SenderDomain
from outreach.mail.addresses import is_valid, mailbox_key
from outreach.preflight.findings import EXAMPLES, Problem, RecipientDomains, Tally
from outreach.preflight.sender_domains import notes_of_sender, of_sender

MOST_DOMAINS = 1_000
"""Of recipients, that one check looks up."""
MOST_SENDERS = 50
"""Of accounts; those with the most leads first."""
NO_MAIL = {
    "no domain": "The domain of the address does not exist",
    "null MX": "The domain of the address takes no mail (null MX)",
    "no address": "The domain of the address has neither a mail server (MX) nor an address",
}
REMEDY = "correct the address, or leave the lead out: its mail would come back"


@dataclass(slots=True)
class _Leads:
    count: int = 0
    examples: list[str] = field(default_factory=list)


class DomainChecks:
    """Sees accounts and leads first, then reports. Without `lookups` it does neither."""

    def __init__(self, lookups: Lookups | None) -> None:
        self._lookups = lookups
        self._leads: dict[str, _Leads] = {}
        self._accounts: dict[str, list[CampaignAccount]] = {}
        self._senders_left = self._leads_left = 0

    def see_accounts(self, accounts: list[CampaignAccount]) -> None:
        if self._lookups is None:
            return
        for account in sorted(accounts, key=lambda account: -account.leads):
            if not (domain := judged_domain(account.email)):
                continue
            if domain not in self._accounts:
                if len(self._accounts) == MOST_SENDERS:
                    self._senders_left += 1
                    continue
                self._lookups.begin_sender(domain)
            self._accounts.setdefault(domain, []).append(account)

    def see(self, planned: PlannedMail) -> None:
        if self._lookups is None or planned.missing is not None or planned.suppressed is not None:
            return
        key = mailbox_key(planned.lead.email)
        domain = key.rpartition("@")[2]
        if domain not in self._leads:
            if not is_valid(key):
                return
            if len(self._leads) == MOST_DOMAINS:
                self._leads_left += 1
                return
            self._lookups.begin_recipient(domain)
            self._leads[domain] = _Leads()
        leads = self._leads[domain]
        leads.count += 1
        if len(leads.examples) < EXAMPLES:
            leads.examples.append(planned.lead.email)

    def tell(self, tally: Tally, until: float | None) -> tuple[list[str], RecipientDomains]:
        """Adds the problems; returns the notes. It waits for DNS, by `until` at most."""
        if self._lookups is None:
            return [], RecipientDomains()
        senders, recipients = self._lookups.end(until)
        self._tell_senders(senders, tally)
        self._tell_recipients(recipients, tally)
        counts = RecipientDomains(
            looked_up=len(recipients),
            unknown=sum(receiving == "unknown" for receiving in recipients.values()),
            leads_left=self._leads_left,
        )
        notes = [note for found in senders for note in notes_of_sender(found)]
        return [*notes, *self._of_counts(counts)], counts

    def _tell_senders(self, senders: list[SenderDomain], tally: Tally) -> None:
        for found in senders:
            accounts = self._accounts[found.domain]
            addresses = [account.email for account in accounts]
            for problem in of_sender(found):
                tally.add(problem, *addresses, count=sum(account.leads for account in accounts))

    def _tell_recipients(self, recipients: dict[str, Receiving], tally: Tally) -> None:
        for domain, receiving in recipients.items():
            if message := NO_MAIL.get(receiving):
                leads = self._leads[domain]
                problem = Problem("warning", "recipient domain", message, REMEDY)
                tally.add(problem, *leads.examples, count=leads.count)

    def _of_counts(self, counts: RecipientDomains) -> Iterator[str]:
        if self._senders_left:
            yield (
                f"The domains of {self._senders_left:,} accounts were not looked up, only the "
                f"first {MOST_SENDERS}"
            )
        if counts.unknown:
            yield (
                f"DNS does not tell of {counts.unknown:,} of {counts.looked_up:,} recipients' "
                "domains whether they take mail"
            )
        if counts.leads_left:
            yield (
                f"The {MOST_DOMAINS:,} recipients' domains of the first leads were looked up; "
                f"those of {counts.leads_left:,} leads were not"
            )


def judged_domain(address: str) -> str:
    """The domain of a sender, in lower-case ASCII; empty where it is Google's own, or none."""
    key = mailbox_key(address)
    domain = key.rpartition("@")[2]
    return domain if is_valid(key) and domain not in GOOGLES else ""

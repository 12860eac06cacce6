"""Lines of `outreach doctor`: what receivers find in DNS about the accounts' domains."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from outreach.campaign.models import Account
    from outreach.domains.sender import SenderDomain
    from outreach.settings import Settings


class Told(NamedTuple):
    """A line: the domain, and how it stands."""

    domain: str
    severity: Literal["ok", "warning"]
    message: str
    remedy: str


def told_domains(accounts: "Sequence[Account]", settings: "Settings") -> Iterator[Told]:
    """A line for each domain but Google's own; none where DNS is not to be asked."""
    from outreach.domains.lookups import lookups_for
    from outreach.preflight.domain_checks import MOST_SENDERS, judged_domain

    domains = dict.fromkeys(filter(None, (judged_domain(one.email) for one in accounts)))
    with lookups_for(settings) as lookups:
        if lookups is None:
            return
        for domain in islice(domains, MOST_SENDERS):
            lookups.begin_sender(domain)
        senders, _ = lookups.end()
    yield from map(_told, senders)


def _told(found: "SenderDomain") -> Told:
    """What is unknown is no warning."""
    from outreach.preflight.sender_domains import of_sender, summary

    problems = list(of_sender(found))
    message = "; ".join((summary(found), *(problem.message for problem in problems)))
    remedy = "; ".join(problem.remedy for problem in problems)
    return Told(found.domain, "warning" if problems else "ok", message, remedy)

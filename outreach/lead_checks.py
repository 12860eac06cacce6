"""Pure: what is wrong with the mail that one lead is to get."""

from collections.abc import Iterator

from outreach.addresses import is_valid, normalise
from outreach.checks import Problem
from outreach.errors import TemplateNotReady
from outreach.facts import PlannedMail
from outreach.headers import breaks_a_header
from outreach.models import Company
from outreach.render import Gaps, gaps
from outreach.role_addresses import role_of

MEND = "correct the template, or give the leads a value"


def problems(planned: PlannedMail) -> Iterator[Problem]:
    """What is wrong with the lead's address, its company's template, and the two together."""
    if planned.missing is not None:
        yield Problem("error", planned.missing, f"The row of the {planned.missing} was deleted")
        return
    yield from _of_address(planned)
    yield from _of_mail(planned)


def same_address(planned: PlannedMail) -> str:
    """What the database takes for one address."""
    return planned.lead.email.strip().lower()


def twice() -> Problem:
    return Problem(
        "warning",
        "duplicates",
        "Another lead of this campaign has the same address: it is mailed once",
    )


def _of_address(planned: PlannedMail) -> Iterator[Problem]:
    address = planned.lead.email
    if not address.strip():
        yield Problem(
            "error", "address", "The lead has no address", "add it, or leave the lead out"
        )
        return
    if not is_valid(normalise(address)) or breaks_a_header(address):
        todo = "correct it, or leave the lead out"
        yield Problem("error", "address", "This is not an address that Gmail takes", todo)
        return
    match role_of(address):
        case "no-reply":
            told = "Nobody reads this address (no-reply)"
            yield Problem("warning", "address", told, "find a person's")
        case "role":
            told = "This address is a department's (info@, sales@ …), not a person's"
            yield Problem("warning", "address", told, "find a person's, if there is one")
    if planned.mailed_here:
        told = "Another lead with this address was mailed in this campaign: this one is not"
        yield Problem("warning", "duplicates", told)
    if planned.mailed_seconds_ago is not None:
        told = "Another campaign mailed this address within the cooldown"
        yield Problem("warning", "cooldown", told, "leave it out, or choose another --cooldown")


def _of_mail(planned: PlannedMail) -> Iterator[Problem]:
    if planned.lead.name and breaks_a_header(planned.lead.name):
        told = "The lead's name holds a line break or a control character"
        yield Problem("error", "name", told, "remove it")
    company = _called(planned.company)
    for problem in (*_of_subject(planned.company), *_of_template(planned)):
        yield problem._replace(company=company)


def _of_subject(company: Company) -> Iterator[Problem]:
    subject = company.email_subject or ""
    if not subject.strip():
        yield Problem("error", "template", "There is no email subject", "write one")
    elif breaks_a_header(subject):
        told = "The email subject holds a line break or a control character"
        yield Problem("error", "template", told, "remove it")


def _of_template(planned: PlannedMail) -> Iterator[Problem]:
    if not (planned.company.email_template or "").strip():
        yield Problem("error", "template", "There is no email template", "write one")
        return
    try:
        lacks = gaps(planned.company, planned.lead)
    except TemplateNotReady as error:
        yield Problem("error", "template", f"The template {error.__cause__}", "correct it")
    except Exception as error:  # noqa: BLE001 - data that nobody foresaw: in the run it fails alone
        yield Problem("error", "mail", f"The mail cannot be made ({type(error).__name__})")
    else:
        yield from _of_gaps(lacks)


def _of_gaps(lacks: Gaps) -> Iterator[Problem]:
    for name in lacks.unknown:
        told = f"The template has {{{{ {name} }}}}, which the lead does not have"
        yield Problem("error", "placeholders", told, MEND)
    for name in lacks.empty:
        told = f"The template has {{{{ {name} }}}}, which is empty for the lead"
        todo = f"add the value, or write {{{{ {name} or '…' }}}}"
        yield Problem("warning", "placeholders", told, todo)
    for words in lacks.stray:
        told = f"The template has {{{words}}}, which is no placeholder and is sent as it stands"
        yield Problem("warning", "placeholders", told, "correct it, unless it is meant so")


def _called(company: Company) -> str:
    return " ".join((company.name or company.domain or "").split()) or "without a company"

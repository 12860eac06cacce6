"""Pure: checks the mail of one lead."""

from collections.abc import Iterator

from outreach import commands
from outreach.campaign.models import Company, Lead
from outreach.campaign.snapshot import PlannedMail
from outreach.errors import TemplateNotReady
from outreach.mail.addresses import is_valid, mailbox_key, normalise
from outreach.mail.headers import breaks_a_header, unfit
from outreach.mail.render import (
    UNSUBSCRIBE_URL,
    Look,
    Part,
    hidden_fields,
    look_at_body,
    look_at_subject,
    made_footer,
    placeholders_of_subject,
)
from outreach.mail.role_addresses import role_of
from outreach.mail.templates.budget import TemplateError
from outreach.mail.templates.compiler import compiled
from outreach.preflight import mails as mail_checks
from outreach.preflight import values as value_checks
from outreach.preflight.alike import look_alike
from outreach.preflight.findings import Problem

STATIC = f"write it without, or make the campaign with {commands.CREATE_WITH_SUBJECT_VARIABLES}"
"""The remedy for a placeholder in a subject that is sent unchanged."""


def problems(planned: PlannedMail) -> Iterator[Problem]:
    """Problems of the lead's address, its company's template, and both together."""
    if planned.missing is not None:
        yield Problem("error", planned.missing, f"The row of the {planned.missing} was deleted")
        return
    if planned.suppressed is not None:
        message = f"The address is suppressed ({planned.suppressed}): the lead is not mailed"
        yield Problem("warning", "suppressed", message)
        return
    yield from _of_address(planned)
    yield from _of_mail(planned)


class Footer:
    """Checks the footer of a campaign in the mail of each lead; once where it is alike in all."""

    def __init__(self, footer: str | None) -> None:
        self._footer = footer if footer and footer.strip() else None
        self._same: Problem | None = None
        self._is_same = self._asks_nothing()
        if self._is_same and self._footer is not None:
            self._same = _fault_of_footer(self._footer, Company(), Lead(email=""))

    def of(self, planned: PlannedMail) -> Iterator[Problem]:
        if self._footer is None or planned.missing is not None or planned.lead.unreadable:
            return
        found = self._same
        if not self._is_same:
            found = _fault_of_footer(self._footer, planned.company, planned.lead)
        if found is not None:
            yield found

    def _asks_nothing(self) -> bool:
        try:
            asked = compiled(self._footer).asked if self._footer else {}
        except TemplateError:
            return True
        return asked.keys() <= {UNSUBSCRIBE_URL}


def _fault_of_footer(footer: str, company: Company, lead: Lead) -> Problem | None:
    try:
        made_footer(footer, company, lead)
    except TemplateNotReady as error:
        return Problem("error", "footer", error.problem, error.remedy)
    except Exception as error:  # noqa: BLE001 - unexpected data: in the run it fails alone
        return Problem("error", "footer", f"The footer cannot be made ({type(error).__name__})")
    return None


class Duplicates:
    """Finds leads with an address that an earlier lead has."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def of(self, planned: PlannedMail) -> Iterator[Problem]:
        address = mailbox_key(planned.lead.email)
        if address and address in self._seen:
            yield Problem(
                "warning",
                "duplicates",
                "Another lead of this campaign has the same address: it is mailed once",
            )
        self._seen.add(address)


def _of_address(planned: PlannedMail) -> Iterator[Problem]:
    address = planned.lead.email
    if not address.strip():
        yield Problem(
            "error", "address", "The lead has no address", "add it, or leave the lead out"
        )
        return
    if not is_valid(normalise(address)) or breaks_a_header(address):
        remedy = "correct it, or leave the lead out"
        yield Problem("error", "address", "This is not an address that Gmail takes", remedy)
        return
    match role_of(address):
        case "no-reply":
            message = "Nobody reads this address (no-reply)"
            yield Problem("warning", "address", message, "find a person's")
        case "role":
            message = "This address is a department's (info@, sales@ …), not a person's"
            yield Problem("warning", "address", message, "find a person's, if there is one")
        case "placeholder":
            message = "This address stands for one that is missing, and is nobody's"
            yield Problem("warning", "address", message, "find the person's, or leave the lead out")
    if planned.mailed_here:
        message = "Another lead with this address was mailed in this campaign: this one is not"
        yield Problem("warning", "duplicates", message)
    if planned.mailed_seconds_ago is not None:
        message = "Another campaign mailed this address within the cooldown"
        yield Problem("warning", "cooldown", message, "leave it out, or choose another --cooldown")


def _of_mail(planned: PlannedMail) -> Iterator[Problem]:
    if planned.lead.name and (found := unfit(planned.lead.name)):
        yield Problem("error", "name", f"The lead's name {found.problem}", found.remedy)
    if planned.lead.unreadable:
        message = f"The lead's custom fields {planned.lead.unreadable}"
        yield Problem("error", "fields", message, "correct them")
        return
    company = called(planned.company)
    for problem in dict.fromkeys((*of_subject(planned), *of_template(planned))):
        yield problem._replace(company=company)


def of_subject(planned: PlannedMail) -> Iterator[Problem]:
    """Problems of the subject; of an answer, those of the subject that follows its `Re:`."""
    subject = planned.company.email_subject or ""
    if not subject.strip():
        yield Problem("error", "template", "There is no email subject", "write one")
    elif found := unfit(subject):
        yield Problem("error", "template", f"The email subject {found.problem}", found.remedy)
    elif planned.subject_variables:
        yield from _of_part(planned, "subject")
    else:
        yield from _of_static_subject(planned, subject)


def _of_static_subject(planned: PlannedMail, subject: str) -> Iterator[Problem]:
    placeholders = placeholders_of_subject(planned.company, planned.lead)
    for placeholder in placeholders:
        message = f"The email subject has {placeholder}, which this campaign sends as it stands"
        yield Problem("error", "placeholders", message, STATIC)
    if not placeholders:
        yield from mail_checks.of_subject(subject)
    yield from value_checks.of_subject(subject)


def of_template(planned: PlannedMail) -> Iterator[Problem]:
    """Problems of the template, and of the body with the lead's values."""
    if not (planned.company.email_template or "").strip():
        yield Problem("error", "template", "There is no email template", "write one")
        return
    yield from _of_part(planned, "template")


def _of_part(planned: PlannedMail, part: Part) -> Iterator[Problem]:
    """Problems of the subject or the template, and of its text with the lead's values."""
    try:
        yield from (_of_filled_subject if part == "subject" else _of_body)(planned)
    except TemplateNotReady as error:
        yield Problem("error", "template", f"The {part} {error.__cause__}", f"correct the {part}")
    except TemplateError as fault:
        yield Problem("error", "template", f"The {part} {fault}", f"correct the {part}")
    except Exception as error:  # noqa: BLE001 - unexpected data: in the run it fails alone
        yield Problem("error", "mail", f"The mail cannot be made ({type(error).__name__})")


def _of_filled_subject(planned: PlannedMail) -> Iterator[Problem]:
    look = look_at_subject(planned.company, planned.lead)
    yield from _of_names(planned, look, "subject")
    for subject in look.pieces:
        yield from mail_checks.of_subject(subject)
        yield from value_checks.of_subject(subject)


def _of_body(planned: PlannedMail) -> Iterator[Problem]:
    look = look_alike(planned.company, planned.lead)
    found = look and mail_checks.without_values(tuple(look.pieces), look.has_markup)
    if look is None or found is None:
        look = look_at_body(planned.company, planned.lead)
    yield from _of_names(planned, look, "template")
    if not look.unknown:
        pieces, has_markup = look.pieces, look.has_markup
        yield from mail_checks.of_pieces(pieces, has_markup=has_markup) if found is None else found


def _of_names(planned: PlannedMail, look: Look, part: Part) -> Iterator[Problem]:
    """Problems of the names in the text, and of their values."""
    yield from _of_gaps(look, part)
    yield from _of_hidden(hidden_fields(planned.lead, look.used))
    yield from value_checks.of_values({**look.used, "name": planned.lead.name})


def _of_gaps(look: Look, part: Part) -> Iterator[Problem]:
    for name in look.unknown:
        message = f"The {part} has {{{{ {name} }}}}, which the lead does not have"
        remedy = f"correct the {part}, or give the leads a value"
        yield Problem("error", "placeholders", message, remedy)
    for name in look.empty:
        message = f"The {part} has {{{{ {name} }}}}, which is empty for the lead"
        remedy = f"add the value, or write {{{{ {name} or '…' }}}}"
        yield Problem("warning", "placeholders", message, remedy)


def _of_hidden(fields: dict[str, str]) -> Iterator[Problem]:
    for name, written in fields.items():
        message = f"The lead's own field {name} is hidden: {{{{ {written} }}}} is another value"
        yield Problem("warning", "placeholders", message, "import it under another name")


def called(company: Company) -> str:
    """The company's name in a finding."""
    return company.called or "without a company"

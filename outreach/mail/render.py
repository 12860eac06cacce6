"""Pure: renders the subject, the HTML and the text of one mail from a template and a lead."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from uuid import UUID

from outreach.campaign.models import BUILT_IN, Company, Lead, Model
from outreach.errors import TemplateNotReady
from outreach.mail import leftovers
from outreach.mail.document import Made, linked, made, refuse_whole, with_footer, with_marks
from outreach.mail.headers import LONGEST_TEXT, breaks_a_header, unfit
from outreach.mail.templates.budget import TemplateError
from outreach.mail.templates.compiler import KEYS, Compiled, compiled, key_of
from outreach.mail.templates.sandbox import LINE
from outreach.mail.unsubscribe import PATH

Part = Literal["template", "subject"]

_BUILT_IN = {key_of(name): field for name, field in BUILT_IN.items()}

UNSUBSCRIBE_URL = key_of("unsubscribe_url")
"""A name in bodies and footers alone: its value is the mail's, not the lead's."""
SAMPLE_URL = f"https://app.example{PATH}{'0' * 33}"
"""Its value in a check, about as long as a real one."""
KNOWN = frozenset(map(key_of, BUILT_IN)) | {UNSUBSCRIBE_URL}
"""The keys that every mail has."""
_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{0,200}\}\}|\{%[^%\n]{0,200}%\}|(?<!\{)\{(?P<word>[\w \t-]{1,80})\}(?!\})"
)


class Rendered(Model):
    subject: str
    html: str
    text: str


class Look(NamedTuple):
    """One lead's mail or subject, filled as far as possible; names in the template's spelling."""

    unknown: tuple[str, ...]
    """Names in `{{ … }}` that this lead lacks: its mail fails."""
    empty: tuple[str, ...]
    """Names that it has without a value, and for which the template has no other text."""
    used: Mapping[str, Any]
    """The values that the template uses."""
    pieces: list[str]
    """The filled text; empty when a name is unknown."""
    has_markup: bool


def render(
    company: Company,
    lead: Lead,
    *,
    pixel_url: str | None,
    search_token: str | None = None,
    subject_variables: bool = False,
    unsubscribe_url: str = SAMPLE_URL,
    footer: str | None = None,
) -> Rendered:
    """The mail for one lead; `search_token` is a hidden word by which Gmail finds it again.

    The subject is sent unchanged, unless `subject_variables`. `footer` is a template for the end of
    the body. Raises TemplateNotReady.
    """
    subject, template = _subject(company), _template(company)
    if subject_variables:
        subject = _filled_subject(company, lead)
    values = _values(company, lead, template.asked, unsubscribe_url)
    mail = _made(company, template, values)
    if not template.has_markup:
        mail = linked(mail, unsubscribe_url)
    if footer is not None:
        mail = with_footer(mail, made_footer(footer, company, lead, unsubscribe_url))
    document = with_marks(mail.document, pixel_url, search_token)
    return Rendered(subject=subject, html=document, text=mail.text)


def pixel_url(app_url: str | None, campaign_lead_id: UUID) -> str | None:
    """The address that records an opening in the web app; None without an app."""
    if not app_url or not app_url.strip():
        return None
    base = app_url.strip().rstrip("/")
    return f"{base}/api/track/open?id={campaign_lead_id}&type=campaign_lead"


def look_at_body(company: Company, lead: Lead) -> Look:
    """The filled body. Raises TemplateNotReady where `render` does, except for an unknown name."""
    template, values = values_of_body(company, lead)
    return look_with(company, "template", template, values)


def values_of_body(company: Company, lead: Lead) -> tuple[Compiled, dict[str, Any]]:
    """The template, and the lead's values for the names in it, by key. Raises TemplateNotReady."""
    template = _template(company)
    return template, _values(company, lead, template.asked, SAMPLE_URL)


def look_at_subject(company: Company, lead: Lead) -> Look:
    """The filled subject, of one with variables; its one piece is the subject. Raises as above."""
    asked = _subject_template(company)
    look = look_with(company, "subject", asked, _values(company, lead, asked.asked))
    return look if look.unknown else look._replace(pieces=[_filled_subject(company, lead)])


def compiled_footer(footer: str) -> Compiled:
    """Raises TemplateNotReady."""
    try:
        template = compiled(footer)
    except TemplateError as fault:
        raise _footer_not_ready(fault) from fault
    return template


def made_footer(
    footer: str, company: Company, lead: Lead, unsubscribe_url: str = SAMPLE_URL
) -> Made:
    """The footer of a campaign in one lead's mail. Raises TemplateNotReady."""
    template = compiled_footer(footer)
    values = _values(company, lead, template.asked, unsubscribe_url)
    try:
        below = made(template.fill(values), has_markup=template.has_markup)
        _refuse_braces(below.text, *below.links)
        refuse_whole(below)
    except TemplateError as fault:
        raise _footer_not_ready(fault) from fault
    return below if template.has_markup else linked(below, unsubscribe_url)


def _footer_not_ready(fault: TemplateError) -> TemplateNotReady:
    return TemplateNotReady(f"The footer of the campaign {fault}", "correct the footer")


def placeholders_of_subject(company: Company, lead: Lead) -> tuple[str, ...]:
    """The placeholders in a subject without variables, which are sent unchanged."""
    subject = company.email_subject or ""
    if "{" not in subject and "}}" not in subject:
        return ()
    keys = KNOWN | _columns(tuple(lead.custom_fields)).keys()
    found = tuple(
        placeholder[0]
        for placeholder in _PLACEHOLDER.finditer(subject)
        if placeholder["word"] is None or key_of(placeholder["word"]) in keys
    )
    return found or tuple(filter(None, [leftovers.braces([subject])]))


def filled_names(company: Company, lead: Lead, *, in_subject: bool) -> tuple[str, ...]:
    """The placeholders that this lead has a value for, in the template's spelling.

    Raises TemplateNotReady.
    """
    asked = dict(_template(company).asked)
    if in_subject:
        asked |= {
            key: asked.get(key, word) for key, word in _subject_template(company).asked.items()
        }
    values = _values(company, lead, asked, SAMPLE_URL)
    return tuple(
        word for key, word in asked.items() if key in values and not _is_blank(values[key])
    )


def guarded_names(company: Company, *, in_subject: bool) -> tuple[tuple[str, str], ...]:
    """Key and spelling of the names that the template guards: a lead may lack them."""
    names = _guarded(company.email_template or "", is_text=False)
    return names + _guarded(company.email_subject or "", is_text=True) if in_subject else names


def _guarded(source: str, *, is_text: bool) -> tuple[tuple[str, str], ...]:
    try:
        return compiled(source, is_text=is_text).guarded
    except TemplateError:
        return ()


def hidden_fields(lead: Lead, used: Mapping[str, Any]) -> dict[str, str]:
    """Custom fields that a built-in name hides, mapped to the template's spelling of that name.

    `used`: the values that the template uses; a name of `BUILT_IN` never means a custom field.
    """
    hidden = _hidden(tuple(lead.custom_fields))
    if not hidden:
        return {}
    spelled = {key_of(word): word for word in used}
    return {
        name: spelled[key]
        for name in hidden
        if (key := KEYS[name]) in spelled
        and lead.custom_fields[name] not in (used[spelled[key]], "")
    }


def look_with(company: Company, part: Part, asked: Compiled, values: Mapping[str, Any]) -> Look:
    """The text filled from values by key. Raises TemplateNotReady."""
    unknown = _sorted(asked.required, lambda key: key not in values)
    return Look(
        unknown=unknown,
        empty=_sorted(asked.asked, lambda key: key in asked.bare and _is_blank(values.get(key))),
        used={word: values[key] for key, word in asked.asked.items() if key in values},
        pieces=[] if unknown else _filled(company, part, asked, values),
        has_markup=asked.has_markup,
    )


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _sorted(words: Mapping[str, str], chosen: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(sorted(word for key, word in words.items() if chosen(key)))


def _subject(company: Company) -> str:
    subject = company.email_subject
    if not subject or not subject.strip():
        raise TemplateNotReady(f"{_named(company)} has no email subject", "write one")
    if found := unfit(subject):
        raise TemplateNotReady(f"The email subject of {_of(company)} {found.problem}", found.remedy)
    return subject


def _template(company: Company) -> Compiled:
    source = company.email_template
    if not source or not source.strip():
        raise TemplateNotReady(f"{_named(company)} has no email template", "write one")
    try:
        return compiled(source)
    except TemplateError as fault:
        raise _not_ready(company, "template", fault) from fault


def _subject_template(company: Company) -> Compiled:
    try:
        return compiled(_subject(company), is_text=True)
    except TemplateError as fault:
        raise _not_ready(company, "subject", fault) from fault


def _filled(
    company: Company, part: Part, template: Compiled, values: Mapping[str, Any]
) -> list[str]:
    try:
        return template.fill(values)
    except TemplateError as fault:
        raise _not_ready(company, part, fault) from fault


def _filled_subject(company: Company, lead: Lead) -> str:
    asked = _subject_template(company)
    pieces = _filled(company, "subject", asked, _values(company, lead, asked.asked))
    try:
        return _one_line("".join(pieces))
    except TemplateError as fault:
        raise _not_ready(company, "subject", fault) from fault


def _one_line(filled: str) -> str:
    """A subject of one line, for any values. Raises TemplateError."""
    subject = " ".join(filled.replace(LINE, " ").split())
    if not subject:
        raise TemplateError("leaves this lead's mail without one")
    if len(subject) > LONGEST_TEXT:
        raise TemplateError(f"becomes longer than {LONGEST_TEXT:,} characters")
    _refuse_braces(subject)
    if breaks_a_header(subject):
        raise TemplateError("becomes one with a control character")
    return subject


def _made(company: Company, template: Compiled, values: Mapping[str, Any]) -> Made:
    pieces = _filled(company, "template", template, values)
    try:
        mail = made(pieces, has_markup=template.has_markup)
        _refuse_braces(mail.text, *mail.links)
    except TemplateError as fault:
        raise _not_ready(company, "template", fault) from fault
    return mail


def _refuse_braces(*texts: str) -> None:
    if left := leftovers.braces(texts):
        raise TemplateError(f"leaves “{left}” in this lead's mail")


def _not_ready(company: Company, part: Part, fault: TemplateError) -> TemplateNotReady:
    return TemplateNotReady(f"The email {part} of {_of(company)} {fault}", f"correct the {part}")


def _of(company: Company) -> str:
    return company.called or "the lead's company"


def _named(company: Company) -> str:
    return f"The company {company.called}" if company.called else "The lead's company"


def _values(
    company: Company, lead: Lead, asked: Iterable[str], unsubscribe_url: str | None = None
) -> dict[str, Any]:
    """Values by key, of the asked keys that the lead has; built-in names win over custom fields.

    A subject has no `unsubscribe_url`.
    """
    if lead.unreadable:
        raise TemplateNotReady(f"The lead's custom fields {lead.unreadable}", "correct them")
    known = {
        "name": lead.name,
        "email": lead.email,
        "role": lead.role,
        "company": company.name,
        "domain": company.domain,
    }
    fields, columns = lead.custom_fields, _columns(tuple(lead.custom_fields))
    values: dict[str, Any] = {}
    for key in asked:
        if key in _BUILT_IN:
            values[key] = known[_BUILT_IN[key]] or ""
        elif key == UNSUBSCRIBE_URL and unsubscribe_url is not None:
            values[key] = unsubscribe_url
        elif key in columns:
            value = fields[columns[key]]
            values[key] = "" if value is None else value
    return values


@lru_cache(maxsize=512)
def _columns(names: tuple[str, ...]) -> dict[str, str]:
    """Of custom fields, which the leads of one file share: key -> name, where one can spell it."""
    # Backwards: of two spellings of one name the first wins.
    columns = {KEYS[name]: name for name in reversed(names)}
    columns.pop("", None)
    return columns


@lru_cache(maxsize=512)
def _hidden(names: tuple[str, ...]) -> tuple[str, ...]:
    """The custom fields that a built-in name hides."""
    return tuple(name for name in names if KEYS[name] in KNOWN)

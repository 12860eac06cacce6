"""Pure: a company's template and a lead -> the subject, the HTML and the text of one mail."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from outreach.errors import TemplateNotReady
from outreach.headers import breaks_a_header
from outreach.models import Company, Lead, Model
from outreach.plain_text import plain_text, without_comments
from outreach.template_sandbox import Fault
from outreach.templates import Compiled, compiled, key_of

_FIX = "correct the template, then run `outreach campaigns retry-failed`"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_DOCUMENT = """\
<!DOCTYPE html>
<html>
<head><meta charset="utf-8"></head>
<body>
{}
</body>
</html>
"""


class Rendered(Model):
    subject: str
    html: str
    text: str


class Gaps(Model):
    """What one lead lacks of its company's template, each name as it is spelled there."""

    unknown: tuple[str, ...]
    """Names in `{{ … }}` that this lead does not have: it fails."""
    empty: tuple[str, ...]
    """Names that it has, without a value, and that the template shows without a word instead."""
    stray: tuple[str, ...]
    """`{words}` that no value stands for: sent as they are, so probably a slip."""


def render(
    company: Company, lead: Lead, *, pixel_url: str | None, search_token: str | None = None
) -> Rendered:
    """The mail for one lead; `search_token`, unseen, is the word by which Gmail finds it again.

    Raises TemplateNotReady.
    """
    subject, template = _subject(company), _template(company)
    body = _filled(company, template, _values(company, lead))
    document, text = (_whole(body), plain_text(body)) if template.has_markup else _paragraphs(body)
    return Rendered(subject=subject, html=_with_marks(document, pixel_url, search_token), text=text)


def pixel_url(app_url: str | None, campaign_lead_id: UUID) -> str | None:
    """The address that tells the web app of an opening; None without an app to tell."""
    if not app_url or not app_url.strip():
        return None
    base = app_url.strip().rstrip("/")
    return f"{base}/api/track/open?id={campaign_lead_id}&type=campaign_lead"


def gaps(company: Company, lead: Lead) -> Gaps:
    """What the lead lacks; where that stops nothing, the template is filled to see that it can be.

    Raises TemplateNotReady where `render` would for another reason than an unknown name.
    """
    asked, values = _template(company), _values(company, lead)
    braced = {key: word for key, word in asked.braced.items() if key not in asked.names}
    found = Gaps(
        unknown=_sorted(asked.names, lambda key: key not in values),
        empty=_sorted(
            {**braced, **asked.names},
            lambda key: key in asked.bare and not str(values.get(key, key)).strip(),
        ),
        stray=_sorted(braced, lambda key: key not in values),
    )
    if not found.unknown:
        _filled(company, asked, values)
    return found


def _sorted(words: Mapping[str, str], chosen: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(sorted(word for key, word in words.items() if chosen(key)))


def _subject(company: Company) -> str:
    subject = company.email_subject
    if not subject or not subject.strip():
        raise TemplateNotReady(
            f"{_named(company)} has no email subject; write one, "
            "then run `outreach campaigns retry-failed`."
        )
    if breaks_a_header(subject):
        raise TemplateNotReady(
            f"The email subject of {_of(company)} holds a line break or a control character; "
            "remove it, then run `outreach campaigns retry-failed`."
        )
    return subject


def _template(company: Company) -> Compiled:
    source = company.email_template
    if not source or not source.strip():
        raise TemplateNotReady(
            f"{_named(company)} has no email template; write one, "
            "then run `outreach campaigns retry-failed`."
        )
    try:
        return compiled(source)
    except Fault as fault:
        raise _not_ready(company, fault) from fault


def _filled(company: Company, template: Compiled, values: Mapping[str, Any]) -> str:
    try:
        return _clean(template.fill(values))
    except Fault as fault:
        raise _not_ready(company, fault) from fault


def _not_ready(company: Company, fault: Fault) -> TemplateNotReady:
    return TemplateNotReady(f"The email template of {_of(company)} {fault}; {_FIX}.")


def _of(company: Company) -> str:
    name = " ".join((company.name or company.domain or "").split())
    return name or "the lead's company"


def _named(company: Company) -> str:
    name = _of(company)
    return "The lead's company" if name == "the lead's company" else f"The company {name}"


def _values(company: Company, lead: Lead) -> dict[str, Any]:
    """By key; the names that every lead has win over custom fields of the same name."""
    known = (
        *(("name", lead.name), ("email", lead.email), ("role", lead.role)),
        *(("company", company.name), ("company_name", company.name), ("domain", company.domain)),
    )
    values: dict[str, Any] = {key_of(name): value or "" for name, value in known}
    for name, value in lead.custom_fields.items():
        if key := key_of(name):
            values.setdefault(key, "" if value is None else value)
    return values


# --- the document -------------------------------------------------------------------------------


def _clean(body: str) -> str:
    """One kind of line break, and nothing that HTML or UTF-8 cannot hold."""
    cleaned = _UNPRINTABLE.sub("", body.replace("\r\n", "\n").replace("\r", "\n"))
    if not cleaned.strip():
        raise Fault("leaves this lead's mail empty")
    return cleaned


def _paragraphs(body: str) -> tuple[str, str]:
    """Escaped plain text -> its HTML document and the text itself."""
    lines = "\n".join(line.strip() for line in body.strip().split("\n"))
    paragraphs = re.split(r"\n{2,}", lines)
    markup = "\n".join(f"<p>{text}</p>" for text in paragraphs).replace("\n", "<br>\n")
    return (
        _DOCUMENT.format(markup.replace("</p><br>\n", "</p>\n")),
        html.unescape("\n\n".join(paragraphs)),
    )


def _whole(markup: str) -> str:
    """The markup as a document of its own, unless it is one."""
    seen = without_comments(markup)
    is_document = re.search(r"<(?:html|body)[\s>]", seen, re.IGNORECASE)
    return markup if is_document else _DOCUMENT.format(markup)


def _with_marks(document: str, pixel_url: str | None, search_token: str | None) -> str:
    """The document with the unseen word and the pixel as the last things of its body."""
    marks = ""
    if search_token:
        marks += (
            '<span style="display:none;font-size:0;line-height:0;mso-hide:all" aria-hidden="true">'
            f"{html.escape(search_token)}</span>"
        )
    if pixel_url:
        marks += (
            f'<img src="{html.escape(pixel_url)}" width="1" height="1" alt="" '
            'style="display:block;width:1px;height:1px;border:0">'
        )
    end = _end_of_body(document)
    return f"{document[:end]}{marks}{document[end:]}"


def _end_of_body(document: str) -> int:
    seen = without_comments(document, blank=True)
    for end in ("body", "html"):
        if found := list(re.finditer(rf"</{end}\s*>", seen, re.IGNORECASE)):
            return found[-1].start()
    return len(document)

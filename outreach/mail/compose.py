"""Pure: builds the whole mail of a lead. Sends, checks and previews all use it."""

from datetime import datetime
from typing import NamedTuple, Protocol

from outreach.campaign.models import Company, Lead, Sender
from outreach.mail.mime import Attachment, Mail, build
from outreach.mail.render import Rendered, render


class ToMail(Protocol):
    """A claim, or a lead of a preview."""

    @property
    def lead(self) -> Lead: ...
    @property
    def company(self) -> Company: ...
    @property
    def subject_variables(self) -> bool: ...


class Composed(NamedTuple):
    rendered: Rendered
    mail: Mail


def compose(
    planned: ToMail,
    *,
    sender: Sender,
    attachment: Attachment | None,
    pixel_url: str | None,
    search_token: str,
    date: datetime,
    to: Lead | None = None,
) -> Composed:
    """The mail; `to` replaces the lead, for a test. Raises TemplateNotReady, RecipientRefused."""
    rendered = render(
        planned.company,
        planned.lead,
        pixel_url=pixel_url,
        search_token=search_token,
        subject_variables=planned.subject_variables,
    )
    mail = build(
        rendered,
        sender=sender,
        to=to or planned.lead,
        attachment=attachment,
        search_token=search_token,
        date=date,
    )
    return Composed(rendered, mail)

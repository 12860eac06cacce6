"""Pure: builds the whole mail of a lead. Sends, checks and previews all use it."""

import hashlib
import json
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from outreach.campaign.models import Company, Lead, ReplyTo, Sender
from outreach.mail.answers import UNKNOWN, subject_of_answer
from outreach.mail.headers import LONGEST_TEXT
from outreach.mail.mime import Attachment, Mail, build
from outreach.mail.render import Rendered, render
from outreach.mail.unsubscribe import OptOut, unsubscribe


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
    fingerprint: str
    """16 hexadecimal digits; two mails with one search token have the same one if their recipient
    could not tell them apart.
    """


def compose(
    planned: ToMail,
    *,
    sender: Sender,
    attachment: Attachment | None,
    pixel_url: str | None,
    search_token: str,
    date: datetime,
    opt_out: OptOut,
    to: Lead | None = None,
    opt_out_token: str | None = None,
    reply: ReplyTo | None = None,
    answers: bool = False,
    mark: str = "",
) -> Composed:
    """The mail. Raises TemplateNotReady, RecipientRefused.

    For a test, `to` replaces the lead, and `opt_out_token` the search token by which a recipient
    unsubscribes, and `mark` begins the subject. With `reply` it answers that mail, under that
    mail's subject. `answers`: it answers a mail that nobody has sent yet, under `Re:` and its own.
    """
    company = planned.company
    if reply is not None:
        company = company.model_copy(update={"email_subject": reply.subject})
    ways = unsubscribe(sender.email, opt_out_token or search_token, opt_out.base)
    rendered = render(
        company,
        planned.lead,
        pixel_url=pixel_url,
        search_token=search_token,
        subject_variables=planned.subject_variables and reply is None,
        unsubscribe_url=ways.url,
        footer=opt_out.footer,
    )
    if answers:
        reply = UNKNOWN
        rendered = _under(rendered, subject_of_answer(rendered.subject))
    if mark:
        rendered = _under(rendered, f"{mark}{rendered.subject}"[:LONGEST_TEXT])
    recipient = to or planned.lead
    in_header = ways if opt_out.in_header else None
    mail = build(
        rendered,
        sender=sender,
        to=recipient,
        attachment=attachment,
        search_token=search_token,
        date=date,
        unsubscribe=in_header,
        reply=reply,
    )
    made_from = (
        *(rendered.subject, rendered.html, rendered.text),
        *(sender.email, sender.name, sender.reply_to),
        *(recipient.email, recipient.name),
        attachment and (attachment.name, attachment.digest),
        in_header,
        reply and reply.message_id,
    )
    return Composed(rendered, mail, _fingerprint(made_from))


def _fingerprint(made_from: tuple[Any, ...]) -> str:
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=8).hexdigest()


def _under(rendered: Rendered, subject: str) -> Rendered:
    return rendered.model_copy(update={"subject": subject})

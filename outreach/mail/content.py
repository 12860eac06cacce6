"""Pure: the record of what a mail was made from: template's version, subject, placeholders."""

import hashlib
import json
from functools import lru_cache
from typing import Any, NamedTuple

from outreach.excerpts import NAME, cut
from outreach.mail.compose import Composed, ToMail
from outreach.mail.render import filled_names

MOST_NAMES = 100
"""Names of placeholders that are kept of a mail, each cut to NAME characters."""


class Template(NamedTuple):
    """The texts of one version, before a lead's values are filled in."""

    subject: str
    body: str
    footer: str | None = None


class Content(NamedTuple):
    """What one mail was made from."""

    template: Template
    version: str
    """The hash of the template's texts."""
    own: bool
    """Whether subject or body belong to the lead and not to its company."""
    subject: str
    """As sent."""
    filled: tuple[str, ...]
    """Names of the placeholders that the lead had a value for, as the template spells them."""
    fingerprint: str
    """Of the whole mail, see Composed."""

    def record(self, *, with_text: bool) -> dict[str, Any]:
        """The JSON that begin_attempt keeps."""
        kept = {
            "template": self.version,
            "own": self.own,
            "subject": self.subject,
            "filled": list(self.filled),
            "fingerprint": self.fingerprint,
        }
        return {**kept, "text": self.template._asdict()} if with_text else kept


def content(planned: ToMail, made: Composed, footer: str | None, *, own: bool) -> Content:
    """Of the mail that was made of it."""
    company = planned.company
    template = Template(company.email_subject or "", company.email_template or "", footer)
    names = filled_names(company, planned.lead, in_subject=planned.subject_variables)
    return Content(
        template,
        version(template),
        own,
        made.rendered.subject,
        tuple(cut(name, NAME) for name in names[:MOST_NAMES]),
        made.fingerprint,
    )


@lru_cache(maxsize=512)
def version(template: Template) -> str:
    """SHA-256 of its texts, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(template).encode()).hexdigest()

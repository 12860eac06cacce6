"""Pure: looks at the body of a mail without the text of its values, once for all leads alike.

A company's mails differ in the values of its leads. Where a template only prints them, and none of
them has a sign that could begin or end a tag, it counts only which of them are empty.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from outreach.campaign.models import Company, Lead
from outreach.mail.document import CLIPPED, weight
from outreach.mail.render import UNSUBSCRIBE_URL, Look, look_with, values_of_body
from outreach.mail.templates.compiler import compiled

VALUE = "\ua66ename"
"""Replaces a value: a letter that only one manuscript has, and a word that makes a tag one."""
SAYS_SOMETHING = re.compile(r"[{}\[\]%«»\\*|<>]|&[lg]t;|://")
"""A value with one of these may begin or end a tag."""
_WORDS = re.compile(r"\w(?:.*\w)?", re.DOTALL)
REMEMBERED = 50_000
"""Characters of a text that is cached: the cache as a whole has to stay small."""
_GROWTH = 5
"""Octets that HTML has at most for a character: `&#39;`."""


def look_alike(company: Company, lead: Lead) -> Look | None:
    """The body with VALUE in the place of each value; None when a value's own text may count, or
    no text is left.

    Raises TemplateNotReady.
    """
    template, found = values_of_body(company, lead)
    # The same in each mail of a check, so that it stays.
    shared = {key: found[key] for key in found.keys() & {UNSUBSCRIBE_URL}}
    values = {key: text for key, text in found.items() if key not in shared}
    source = company.email_template or ""
    if not template.only_prints or len(source) > REMEMBERED or not _are_plain(values):
        return None
    alike = [(key, stand_in(text)) for key, text in values.items()]
    look, octets, printed = _look(source, (*alike, *shared.items()))
    length = sum(map(len, values.values()))
    largest = octets + _GROWTH * length * (printed + 1)
    if not octets or largest > CLIPPED:
        return None
    return look._replace(used={template.asked[key]: text for key, text in found.items()})


def stand_in(text: str) -> str:
    """VALUE between the signs around a text, which may touch a tag; a text without words stays."""
    return _WORDS.sub(VALUE, text, count=1)


def _are_plain(values: Mapping[str, Any]) -> bool:
    if not all(type(value) is str for value in values.values()):
        return False
    text = "".join(values.values())
    return text.isprintable() and not SAYS_SOMETHING.search(text)


@lru_cache(maxsize=256)
def _look(source: str, values: tuple[tuple[str, str], ...]) -> tuple[Look, int, int]:
    """The look at it, the octets of the text, and how many values it prints."""
    look = look_with(Company(), "template", compiled(source), dict(values))
    body = "".join(look.pieces)
    return look, weight(body.strip()), body.count(VALUE)

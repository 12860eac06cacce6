"""The text of a bounce: a notice for people, a border, and the mail that is returned."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from outreach.inbound.found_addresses import Found, within
from outreach.inbound.message import Headers, header_block

NOTICE = 12_000
"""Characters that are read of a notice."""
RETURNED = 8_000
"""Characters that are read of the returned mail: its header."""
ADDRESSES = 200

_BORDER = re.compile(
    r"""^[ \t>]*+(?:
        [-=*_][-=*_\ \t]++[^\n]{0,20}(?:original|unsent|returned|undelivered|copy\ of)[^\n]{0,20}
            (?:message|mail|header)[^\n]*
      | [-=]{2,}\ *(?:below\ this\ line|this\ is\ a\ copy|message\ header|included\ is)[^\n]*
      | (?:the\ )?(?:original\ )?(?:message|mail)\ (?:headers?\ )?(?:follows?|as\ follows)[.: ]*$
      | original\ message\ (?:headers?|details)[.:\ ]*$
      | (?:below|included|this)\ is\ a\ copy\ of\ [^\n]*
      | (?:return-path|received|delivered-to|x-received|dkim-signature|domainkey-signature)
            \ ?:[^\n]*
    )""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_FIRST_HEADER = re.compile(r"^[ \t>]*+([A-Za-z][\w-]{1,40}):[^\n]*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t>]++(?=[A-Z][\w-]+:)", re.MULTILINE)


@dataclass
class Notice:
    """A notice without the returned mail, and that mail's header where it follows in the text."""

    text: str
    returned: Headers

    lower: str = field(init=False)
    """The text in lower case."""

    def __post_init__(self) -> None:
        self.lower = self.text.lower()

    @cached_property
    def addresses(self) -> list[Found]:
        return [found for found, _ in zip(within(self.text), range(ADDRESSES), strict=False)]

    def unquoted(self) -> str:
        """In lower case, without the lines that quote another mail."""
        if "\n>" not in self.lower:
            return self.lower
        return "\n".join(line for line in self.lower.split("\n") if not line.startswith(">"))


def split(text: str) -> Notice:
    """The notice of a bounce's text."""
    border = _BORDER.search(text)
    if not border:
        return Notice(text[:NOTICE], {})
    rest = text[border.start() : border.start() + RETURNED]
    start = _FIRST_HEADER.search(rest)
    block = _INDENT.sub("", rest[start.start() :]) if start else ""
    return Notice(text[: border.start()][:NOTICE], header_block(block))

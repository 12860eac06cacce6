"""Pure: finds unfilled tags in a finished text, in the spelling of any tool."""

import re
from collections.abc import Iterable, Iterator

SHOWN = 60
"""Characters of a tag in a message."""

_BRACES = re.compile(r"\{\{[^{}\n]{0,80}(?:\}\})?|[^{}\s]{0,40}\}\}")
_TAG = re.compile(
    r"""(?<!\{) \{ [^{}\n]{1,80} \} (?!\})              # {word}, {Hi|Hello}, {!Contact.Name}
      | \*\| [^|*\n]{1,80} \|\*                         # *|FNAME|*
      | \[\[ [^\[\]\n]{1,80} \]\]                       # [[company]]
      | <<\s? [^\W\d][^<>\n]{0,79} >>                   # <<First Name>>
      | (?<![\w%=/&.+-]) % [^\W\d]\w{0,39} % (?![\w%])  # %FIRST_NAME%, and no %C3%A4
      | (?<![\w?&=/%\]]) \[ (?P<square>[^\[\]\n]{1,40}) \]  # [First Name], and no ?f[name]=
      | « (?P<angled>[^«»\n]{1,40}) »                   # «First_Name», as Word has it
    """,
    re.VERBOSE,
)
_BEGIN = re.compile(r"[{\[%«<]|\*\|")
_TAG_OF_A_LINK = re.compile(
    r"%7B%7B.{0,60}?%7D%7D|%7B%7B|%7D%7D|\*\|[^|*]{1,80}\|\*|\{[^{}]{1,80}\}", re.IGNORECASE
)
_MARKDOWN = re.compile(
    r"\[[^\[\]\n]{1,80}\]\(https?://[^\s()]{1,200}\)|(?<![*\w])\*\*\w[^*\n]{0,80}\*\*(?![*\w])"
)
_TYPED_BREAK = re.compile(r"\\r\\n|\\n\\n|(?<![\w:\\])\\n")
"""A line break in letters, but not a path such as `C:\\new`."""
_WORD = re.compile(r"[A-Z]?[a-zà-ÿ]+|[A-Z]+")
_FIELDS = frozenset(
    re.split(
        r"\s+",
        """address anrede apellido cargo city company country date domain email empresa entreprise
        fecha field first firm firma firstname fname full insert job lastname lname name nachname
        nom nombre organisation organization phone placeholder position poste prenom prénom
        recipient role surname titel title vorname website your""",
    )
)
"""Words that name a field: `[First Name]` has one, `[Webinar]` has none."""


def braces(texts: Iterable[str]) -> str | None:
    """The first `{{` or `}}` with the text beside it, which no mail has on purpose."""
    for text in texts:
        if ("{{" in text or "}}" in text) and (found := _BRACES.search(text)):
            return found[0][:SHOWN].strip()
    return None


def tags(text: str) -> Iterator[str]:
    """Texts that look like unfilled tags; some may be there on purpose."""
    if not _BEGIN.search(text):
        return
    for found in _TAG.finditer(text):
        words = found["square"] or found["angled"]
        if any(map(str.isalnum, found[0])) and (words is None or _names_a_field(words)):
            yield found[0][:SHOWN]


def tags_of_link(address: str) -> Iterator[str]:
    for found in _TAG_OF_A_LINK.finditer(address):
        yield found[0][:SHOWN]


def markdown(text: str) -> str | None:
    """The first link or bold word in Markdown."""
    found = _MARKDOWN.search(text)
    return found[0][:SHOWN] if found else None


def typed_break(text: str) -> str | None:
    """The first line break that is written in letters, as programs escape it."""
    found = _TYPED_BREAK.search(text) if "\\" in text else None
    return found[0] if found else None


def _names_a_field(words: str) -> bool:
    return not _FIELDS.isdisjoint(word.lower() for word in _WORD.findall(words))

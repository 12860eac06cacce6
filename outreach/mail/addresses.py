"""Mail addresses: which ones Gmail takes, how a header spells them, how a log may show them."""

import re
import unicodedata
from functools import lru_cache

import idna

LONGEST = 254  # RFC 5321 4.5.3.1.3, less the angle brackets; in octets, as are the two below
LONGEST_LOCAL = 64
LONGEST_DOMAIN = 253

# RFC 5322's dot-atom and, for RFC 6531, anything beyond ASCII that is not space or control.
# Quoted local parts ("a b"@…) are legal and nobody's: Gmail itself gives out none.
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~\u0080-\U0010ffff-]+")
_NAMED = re.compile(r"[^<>]*<([^<>]*)>")
_QUOTES = frozenset("'\"`\u2018\u2019\u201c\u201d\u201e")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_UNWRITABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_WITHIN = re.compile(r"(?<![^\s<>@()])[^\s<>@()]++@[^\s<>@()]+")
"""An address in a text: it is looked for where a word begins, and there alone."""
_LONGEST_WRITTEN = 4 * LONGEST
"""Characters; above, NFC of what is not in order takes a time that grows with its square."""
_INVISIBLE = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000"  # spaces
    "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # without a width
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # directions
)
"""What a spreadsheet or a web page leaves around an address that was copied from it. The SQL
function canonical_address has the same list."""


def normalise(address: str) -> str:
    """The address as headers and the send log carry it: one form for all spellings of a mailbox.

    Trimmed, NFC, its domain in lower-case ASCII (IDNA 2008 with the mapping of UTS 46). The SQL
    function canonical_address gives the same.

    What cannot be an address comes back trimmed only, for `is_valid` to refuse. The local part
    keeps its case: only its own server may say that case does not matter.
    """
    trimmed = address.strip(_INVISIBLE)
    if len(trimmed) > _LONGEST_WRITTEN:
        return trimmed
    trimmed = unicodedata.normalize("NFC", trimmed)
    local, at, domain = trimmed.rpartition("@")
    ascii_domain = _ascii(domain)
    return f"{local}{at}{ascii_domain}" if local and ascii_domain else trimmed


def from_cell(text: str) -> str:
    """The address in a cell of a spreadsheet, normalised: `Mia Roth <mia@acme.com>`,
    `mailto:mia@acme.com`, in quotes, with a full stop behind it, the first of Google's `a ::: b`.

    What is no such thing comes back as it is, for `is_valid` to refuse.
    """
    written = text.partition(" ::: ")[0].strip(_INVISIBLE)
    if ">" in written and (named := _NAMED.fullmatch(written)):
        written = named[1].strip(_INVISIBLE)
    if written[:7].lower() == "mailto:":
        written = written[7:].partition("?")[0]
    if written[:1] in _QUOTES and written[-1:] in _QUOTES:
        written = written[1:-1]
    return normalise(written.strip(_INVISIBLE).rstrip(".,;"))


def mailbox_key(address: str) -> str:
    """Equal for two addresses that count as one mailbox: as `normalise`, whatever the case."""
    return normalise(address).lower()


def is_valid(address: str) -> bool:
    """Whether Gmail would take it: `local@domain.tld`, one address, no display name, no quotes.

    Letters beyond ASCII may stand on both sides. Says nothing about whether a mailbox is there.
    """
    local, at, domain = address.rpartition("@")
    ascii_domain = _ascii(domain)
    return bool(
        at
        and ascii_domain
        and _is_local(local)
        and len(f"{local}@{ascii_domain}".encode(errors="replace")) <= LONGEST
    )


def mask(address: str) -> str:
    """`john@acme.com` as logs and errors show it, `j…@acme.com`; never more, whatever it is fed."""
    local, _, domain = address.strip(_INVISIBLE).rpartition("@")
    if not local:
        local, domain = domain, ""
    first = next((character for character in local if character.isalnum()), "")
    shown = re.match(r"[\w.-]{0,80}", domain)
    host = shown.group() if shown else ""
    return f"{first}…@{host}" if host else f"{first}…"


def masked(text: str) -> str:
    """The text with each address in it as `mask` shows it."""
    return _WITHIN.sub(lambda found: mask(found[0]), text)


def _is_local(local: str) -> bool:
    return (
        len(local.encode(errors="replace")) <= LONGEST_LOCAL
        and _LOCAL.fullmatch(local) is not None
        and all(local.split("."))
        and (
            local.isascii()  # of which the pattern leaves none that cannot be written
            or not any(unicodedata.category(character) in _UNWRITABLE for character in local)
        )
    )


def _ascii(domain: str) -> str:
    """The domain in ASCII; empty when it is none: one label, a number at the end, an IP address."""
    return (_seen if len(domain) <= LONGEST_DOMAIN else _encoded)(domain)


def _encoded(domain: str) -> str:
    try:
        # Python's own codec is IDNA 2003: it sends straße.de's mail to strasse.de.
        encoded = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""
    encoded = encoded.lower()
    labels = encoded.split(".")
    usable = (
        len(labels) > 1
        and len(encoded) <= LONGEST_DOMAIN
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )
    return encoded if usable else ""


_seen = lru_cache(maxsize=1024)(_encoded)
"""A company's leads have one domain, and most are asked about it several times."""

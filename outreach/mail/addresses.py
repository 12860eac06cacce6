"""Mail addresses: which ones Gmail accepts, their form in headers, their mask in logs."""

import re
import unicodedata
from functools import lru_cache

import idna

LONGEST = 254  # RFC 5321 4.5.3.1.3, without the angle brackets; in octets, as are the two below
LONGEST_LOCAL = 64
LONGEST_DOMAIN = 253

# RFC 5322's dot-atom and, for RFC 6531, anything beyond ASCII except space and control. Quoted
# local parts ("a b"@…) are legal but not in use: Gmail itself gives out none.
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~\u0080-\U0010ffff-]+")
_NAMED = re.compile(r"[^<>]*<([^<>]*)>")
_QUOTES = frozenset("'\"`\u2018\u2019\u201c\u201d\u201e")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_UNWRITABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_WITHIN = re.compile(r"(?<![^\s<>@()])[^\s<>@()]++@[^\s<>@()]+")
"""An address in a text. It may begin only where a word begins."""
_LONGEST_WRITTEN = 4 * LONGEST
"""Characters. Above, NFC of badly ordered text takes quadratic time."""
_INVISIBLE = (
    " \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u202f\u205f\u3000"  # spaces
    "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # without a width
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # directions
)
"""Characters that a spreadsheet or a web page leaves around a copied address. The SQL function
canonical_address has the same list.
"""


def normalise(address: str) -> str:
    """The address as in headers and the send log: one form for all spellings of a mailbox.

    Trimmed, NFC, its domain in lower-case ASCII (IDNA 2008 with the mapping of UTS 46). The SQL
    function canonical_address gives the same.

    Text that cannot be an address is only trimmed; `is_valid` refuses it. The local part keeps its
    case: only its own server may say that case does not matter.
    """
    trimmed = address.strip(_INVISIBLE)
    if len(trimmed) > _LONGEST_WRITTEN:
        return trimmed
    trimmed = unicodedata.normalize("NFC", trimmed)
    local, at, domain = trimmed.rpartition("@")
    ascii_domain = _ascii(domain)
    return f"{local}{at}{ascii_domain}" if local and ascii_domain else trimmed


def from_cell(text: str) -> str:
    """The address in a cell of a spreadsheet, normalised. Reads `Mia Roth <mia@acme.com>`,
    `mailto:mia@acme.com`, quotes, a full stop at the end, the first of Google's `a ::: b`, and
    what a spreadsheet was kept from calculating by an apostrophe, or a link begins with (`%20`).

    Other text is returned trimmed only; `is_valid` refuses it.
    """
    written = text.partition(" ::: ")[0].strip(_INVISIBLE)
    if ">" in written and (named := _NAMED.fullmatch(written)):
        written = named[1].strip(_INVISIBLE)
    if written[:7].lower() == "mailto:":
        written = written[7:].partition("?")[0]
    if written[:1] in _QUOTES and written[-1:] in _QUOTES:
        written = written[1:-1]
    written = written.removeprefix("'").removeprefix("%20")
    return normalise(written.strip(_INVISIBLE).rstrip(".,;"))


def mailbox_key(address: str) -> str:
    """Equal for two addresses of one mailbox: `normalise` in lower case."""
    return normalise(address).lower()


def without_tag(address: str) -> str:
    """`mailbox_key` of the mailbox that gets the mail: Gmail takes `you+test@` for `you@`."""
    local, at, domain = mailbox_key(address).rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def is_valid(address: str) -> bool:
    """Whether Gmail accepts it: `local@domain.tld`, one address, no display name, no quotes.

    Letters beyond ASCII are allowed on both sides. Does not check that the mailbox exists.
    """
    local, at, domain = address.rpartition("@")
    ascii_domain = _ascii(domain)
    return bool(
        at
        and ascii_domain
        and _is_local(local)
        and len(f"{local}@{ascii_domain}".encode(errors="replace")) <= LONGEST
    )


def suppression_key(text: str) -> str:
    """The key under which an address or a domain is suppressed; empty for other text.

    `Mia Roth <mia@acme.com>` gives `mia@acme.com`; `@Acme.com` and `*.acme.com` give `acme.com`,
    which stands for its subdomains, too.
    """
    address = from_cell(text)
    if is_valid(address):
        return address.lower()
    domain = address.removeprefix("*").lstrip(".@")
    return _ascii(domain) if "@" not in domain else ""


def mask(address: str) -> str:
    """`john@acme.com` as logs and errors show it: `j…@acme.com`. Never longer, for any input."""
    local, _, domain = address.strip(_INVISIBLE).rpartition("@")
    if not local:
        local, domain = domain, ""
    first = next((character for character in local if character.isalnum()), "")
    shown = re.match(r"[\w.-]{0,80}", domain)
    host = shown.group() if shown else ""
    return f"{first}…@{host}" if host else f"{first}…"


def masked(text: str) -> str:
    """The text with each address in it masked."""
    return _WITHIN.sub(lambda found: mask(found[0]), text)


def _is_local(local: str) -> bool:
    return (
        len(local.encode(errors="replace")) <= LONGEST_LOCAL
        and _LOCAL.fullmatch(local) is not None
        and all(local.split("."))
        and (
            local.isascii()  # the pattern leaves only characters that can be written
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
"""A company's leads share a domain, and most are checked several times."""

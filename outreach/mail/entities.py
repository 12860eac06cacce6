"""HTML's character references, by the rules of HTML5."""

import html
import re
from html.entities import html5

UNCLOSED = sorted(name for name in html5 if not name.endswith(";"))
"""The names that HTML5 also accepts without their semicolon: `&copy`."""

_REFERENCE = re.compile(r"&(?:#[^\s&;]*+;?|([a-zA-Z][a-zA-Z0-9]*+)(;|(?!=)))")


def in_attribute(value: str) -> str:
    """The value of an attribute, decoded.

    There, `&copy` is the sign only where no letter, digit or `=` follows it: `?id=7&copy=2` has no
    sign.
    """
    return _REFERENCE.sub(_decoded, value) if "&" in value else value


def _decoded(found: re.Match[str]) -> str:
    name, semicolon = found[1], found[2]
    if name is None:
        return html.unescape(found[0])
    return html5.get(f"{name}{semicolon}", found[0])

"""Reads Google's responses. Pure; no response raises an error.

A proxy, a captive portal or a fault of Google's may send anything: a value of another type or shape
counts as missing.
"""

import json
from math import isfinite
from typing import Any

LONGEST = 2_048
"""Characters of an id, a thread's id, an access token: Google names this limit for tokens."""
LONGEST_HEADER = 4_000
"""Characters of a header's value."""
_LASTS = 3600.0
"""Seconds, when a token's response does not say."""
_DIGITS = 12
_LONGEST_WAIT = 3600.0
_TEN_YEARS = 10 * 366 * 24 * 3600


def of_json(body: bytes) -> Any:
    """The JSON value; None when it is not JSON or is nested too deeply to parse."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def text(answer: Any, key: str) -> str | None:
    """The text under `key`, printable and not empty; else None."""
    found = answer.get(key) if isinstance(answer, dict) else None
    fits = isinstance(found, str) and 0 < len(found) <= LONGEST and found.isprintable()
    return found if fits else None


def seconds(header: str | None) -> float | None:
    """Of a Retry-After, an hour at most; None for another value, such as a date."""
    if header is None or not (header.isascii() and header.isdigit()) or len(header) > _DIGITS:
        return None
    return min(float(header), _LONGEST_WAIT)


def table(answer: Any, key: str) -> dict[str, Any]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}


def tables(answer: Any, key: str) -> list[dict[str, Any]]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def headers(message: Any) -> dict[str, str]:
    """The fields of a message's header by their names in small letters; of several, the first.

    Unfolded, and else as they are: a subject may hold what does not print, such as a narrow space.
    """
    found: dict[str, str] = {}
    for header in tables(table(message, "payload"), "headers"):
        name, value = header.get("name"), header.get("value")
        if isinstance(name, str) and isinstance(value, str):
            unfolded = value[:LONGEST_HEADER].replace("\r", "").replace("\n", "")
            found.setdefault(name.lower(), unfolded)
    return found


def words(answer: Any, key: str) -> frozenset[str]:
    """The words of a text, or of a list of texts."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if isinstance(found, str):
        return frozenset(found.split())
    return (
        frozenset(one for one in found if isinstance(one, str))
        if isinstance(found, list)
        else frozenset()
    )


def token(answer: Any, key: str) -> str | None:
    """A text that a header can carry; else None."""
    found = text(answer, key)
    return found if found and found.isascii() and " " not in found else None


def lifetime(answer: dict[str, Any]) -> float | None:
    """Lifetime of an access token in seconds; None when the response has no valid number."""
    try:
        seconds = float(answer.get("expires_in", _LASTS))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if isfinite(seconds) and 0 < seconds < _TEN_YEARS else None

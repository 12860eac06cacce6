"""What stands in an answer of Google's. Pure; nothing is raised, whoever wrote it.

A proxy, a captive portal or a fault of Google's may answer anything: what is not of the shape that
was asked for is not there.
"""

import json
from math import isfinite
from typing import Any

LONGEST = 2_048
"""Characters of an id, a thread's id, an access token: Google names this limit for tokens."""
_LASTS = 3600.0
"""Seconds, where a token's answer does not say."""
_TEN_YEARS = 10 * 366 * 24 * 3600


def of_json(body: bytes) -> Any:
    """None where it is no JSON, or nested so deeply that nobody can read it."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def text(answer: Any, key: str) -> str | None:
    """Printable, and not empty."""
    found = answer.get(key) if isinstance(answer, dict) else None
    fits = isinstance(found, str) and 0 < len(found) <= LONGEST and found.isprintable()
    return found if fits else None


def table(answer: Any, key: str) -> dict[str, Any]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}


def tables(answer: Any, key: str) -> list[dict[str, Any]]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def words(answer: Any, key: str) -> frozenset[str]:
    """Of a text, or of a list of texts."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if isinstance(found, str):
        return frozenset(found.split())
    return (
        frozenset(one for one in found if isinstance(one, str))
        if isinstance(found, list)
        else frozenset()
    )


def token(answer: Any, key: str) -> str | None:
    """What a header can carry."""
    found = text(answer, key)
    return found if found and found.isascii() and " " not in found else None


def lifetime(answer: dict[str, Any]) -> float | None:
    """Seconds that an access token lasts; None where that is no such number."""
    try:
        seconds = float(answer.get("expires_in", _LASTS))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if isfinite(seconds) and 0 < seconds < _TEN_YEARS else None

"""The page to unsubscribe, in the language of the browser; it has no address and no script."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

Shown = Literal["ask", "done", "unknown", "away", "trial"]

TEXTS: dict[str, dict[str, str]] = json.loads(
    (files("outreach.public") / "texts.json").read_text("utf-8")
)
DEFAULT = "en"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_ASKED = 20
"""Languages of a browser that are looked at."""
_template = Environment(
    loader=PackageLoader("outreach.public"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
).get_template("unsubscribe.html")


@cache
def page(shown: Shown, language: str) -> str:
    """`ask` has the button, and so has `away`, to try again."""
    texts = TEXTS[language]
    values: dict[str, Any] = {
        "language": language,
        "heading": texts["title" if shown == "ask" else shown],
        "text": texts["question" if shown == "ask" else f"{shown}_text"],
        "button": texts["button"] if shown in {"ask", "away"} else "",
    }
    return _template.render(values)


def language_of(accepted: str) -> str:
    """The first of our languages in an Accept-Language header, by its weights."""
    found: list[tuple[float, str]] = []
    for one in accepted.split(",")[:_ASKED]:
        name, _, weight = one.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in TEXTS:
            found.append((_weight(weight), language))
    best = max(found, key=lambda one: one[0], default=(0.0, DEFAULT))
    return best[1] if best[0] > 0 else DEFAULT


def _weight(text: str) -> float:
    """Of `q=0.8`; 1 without one."""
    _, given, number = text.strip().partition("q=")
    try:
        return float(number) if given else 1.0
    except ValueError:
        return 0.0

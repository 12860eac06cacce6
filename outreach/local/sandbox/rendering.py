"""Jinja's templates, and the headers that keep a hostile mail from doing anything."""

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action "
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
KILO = 1024

_templates = Environment(
    loader=PackageLoader("outreach.local.sandbox"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    template: str, *, code: int = 200, form_action: str = "'self'", **values: Any
) -> HTMLResponse:
    """A page of ours: no scripts, nothing from elsewhere, never in another site's frame."""
    content = _templates.get_template(template).render(values)
    policy = {"Content-Security-Policy": POLICY + form_action}
    return HTMLResponse(content, code, {**SAFE, **policy, "Cache-Control": "no-store"})


def stylesheet() -> str:
    return _templates.get_template("style.css").render()


def moment(at: float) -> str:
    """A time as the person before the screen reads it: this machine's time zone."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%d %b %H:%M:%S}"


def weight(size: int) -> str:
    if size < KILO:
        return f"{size} B"
    return f"{size / KILO:.0f} KB" if size < KILO * KILO else f"{size / KILO / KILO:.1f} MB"


_templates.filters |= {"moment": moment, "weight": weight}

"""Renders pages, with headers that keep a hostile mail from doing anything."""

import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action "
)
INERT = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'"
HTML_POLICY = f"{INERT}; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
REACHES_OUT = re.compile(r"<(?=(?:link|meta|base)\b)", re.IGNORECASE)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
KILO = 1024
STYLE = files("outreach.web") / "templates" / "style.css"


def environment(package: str) -> Environment:
    """The templates of a package, in its folder `templates`."""
    made = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"moment": moment, "weight": weight}
    return made


def page(
    templates: Environment,
    name: str,
    *,
    code: int = 200,
    form_action: str = "'self'",
    **values: Any,
) -> HTMLResponse:
    """A page of ours: no scripts, nothing from other hosts, never in another site's frame."""
    content = templates.get_template(name).render(values)
    policy = {"Content-Security-Policy": POLICY + form_action}
    return HTMLResponse(content, code, {**SAFE, **policy, "Cache-Control": "no-store"})


def inert(content: bytes, media_type: str, policy: str = INERT) -> Response:
    """Untrusted content: it runs nothing and fetches nothing."""
    headers = {**SAFE, "Content-Security-Policy": policy, "X-DNS-Prefetch-Control": "off"}
    return Response(content, headers={**headers, "Content-Type": media_type})


def framed(html: str) -> Response:
    """A mail's own HTML, for a frame: no scripts, no forms, nothing is fetched.

    A policy does not stop `<link rel=preconnect>`, so such elements are renamed.
    """
    defused = REACHES_OUT.sub("<x-", html)
    return inert(defused.encode("utf-8", "replace"), "text/html; charset=utf-8", HTML_POLICY)


def stylesheet() -> str:
    """The style sheet of all pages."""
    return STYLE.read_text("utf-8")


def moment(at: float) -> str:
    """A time in this machine's zone, for the person at the screen; `at`: Unix time in seconds."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%d %b %H:%M:%S}"


def weight(size: int) -> str:
    if size < KILO:
        return f"{size} B"
    return f"{size / KILO:.0f} KB" if size < KILO * KILO else f"{size / KILO / KILO:.1f} MB"

"""Pure: the addresses by which a recipient unsubscribes, and the header fields that carry them.

RFC 2369 (List-Unsubscribe) and RFC 8058 (one click). The token is the search token of the attempt:
random, and recorded before the mail can leave.
"""

from typing import NamedTuple
from urllib.parse import quote

from outreach.loopback import is_loopback
from outreach.mail import headers
from outreach.mail.addresses import normalise
from outreach.urls import ascii_address, split

PATH = "/api/unsubscribe/"
ONE_CLICK = "List-Unsubscribe=One-Click"
CANARY = "canary"
"""The answer for the token of a trial, which unsubscribes nobody."""
SUBJECT = "unsubscribe-"
"""Begins the subject of a mail that unsubscribes; the token follows."""
LONGEST_BASE = 500
"""Characters of APP_URL: a line of a header has at most 998."""


class Unsubscribe(NamedTuple):
    """The ways to unsubscribe from one mail."""

    web: str | None
    """An address that shows a page for GET, and acts for POST; None where none answers."""
    mail: str
    """A `mailto:` address of the sender, with the token in the subject."""

    @property
    def url(self) -> str:
        """The value of `{{ unsubscribe_url }}`."""
        return self.web or self.mail

    def fields(self) -> list[str]:
        """The header fields of the mail. One-click needs a web address."""
        if self.web is None:
            return [headers.tokens("List-Unsubscribe", f"<{self.mail}>")]
        return [
            headers.tokens("List-Unsubscribe", f"<{self.web}>", f"<{self.mail}>", between=","),
            f"List-Unsubscribe-Post: {ONE_CLICK}",
        ]


class OptOut(NamedTuple):
    """How the mails of a campaign let their recipients unsubscribe."""

    base: str | None = None
    """The web app's address, see `web_base`; None where no web address answers."""
    in_header: bool = False
    """Whether mails have the header fields."""
    footer: str | None = None
    """A template below each mail."""


NONE = OptOut()


def opt_out(base: str | None, footer: str | None, *, in_header: bool) -> OptOut:
    """Of a campaign's row, where a blank footer is none."""
    return OptOut(base, in_header, footer if footer and footer.strip() else None)


def unsubscribe(account: str, token: str, base: str | None) -> Unsubscribe:
    """`account`: the sender's address; `base`: of the web app, see `web_base`."""
    mail = f"mailto:{quote(normalise(account), safe='@+')}?subject={SUBJECT}{token}"
    return Unsubscribe(None if base is None else f"{base}{PATH}{token}", mail)


def web_base(app_url: str | None, *, trying: bool = False) -> str | None:
    """APP_URL as mails carry it: ASCII, without a slash at its end; None if no mail can.

    Only https. With `trying`, when mails stay on this machine, http on this machine as well.
    """
    address = (app_url or "").strip().rstrip("/")
    parts = split(address) if address else None
    if parts is None or len(address) > LONGEST_BASE:
        return None
    usable = trying if is_loopback(address) else parts.scheme == "https"
    if not usable:
        return None
    written = ascii_address(address)
    return written if len(written) <= LONGEST_BASE else None

"""Pure: recognises role addresses, no-reply addresses and placeholders."""

import re
from typing import Literal


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DEPARTMENTS = _words(
    """abuse accounting accounts admin administration administrator all billing booking bookings
    career careers contact contacts customerservice dpo enquiries enquiry events everyone feedback
    finance frontdesk hello help helpdesk hi hostmaster hr info information inquiries invoice
    invoices it jobs kontakt legal mail marketing media news newsletter noc office orders postmaster
    press privacy recruiting reception root sales security service shop staff subscribe support
    team tech unsubscribe webmaster welcome"""
)
_NOBODY = re.compile(r"(do)?no(t)?(reply|response)|mailerdaemon|bounces?|devnull")
_NOT_FOUND = re.compile(r"(noe?mail|email(not(unlocked|found|available|verified)|unavailable))")
"""Texts of lead databases for an address that they withhold or lack."""
_RESERVED = _words("example.com example.net example.org")
"""Reserved by RFC 2606, without mailboxes."""
_IN_FORMS = _words("domain.com email.com mydomain.com test.com yourcompany.com yourdomain.com")
_NAMES_IN_FORMS = _words(
    "email example firstname firstnamelastname johndoe mail me name noreply sample someone test "
    "user username you yourname"
)


def role_of(address: str) -> Literal["role", "no-reply", "placeholder"] | None:
    """A department's address (`info@`), `no-reply`, or a placeholder; None: a person's, it seems.

    A placeholder stands for a missing address: `email_not_unlocked@domain.com`.
    """
    local, _, domain = address.strip().casefold().rpartition("@")
    word = re.sub(r"[\W_]+", "", local.partition("+")[0])
    if _NOT_FOUND.fullmatch(word) or domain in _RESERVED:
        return "placeholder"
    if domain in _IN_FORMS and word in _NAMES_IN_FORMS:
        return "placeholder"
    if _NOBODY.fullmatch(word):
        return "no-reply"
    return "role" if word in _DEPARTMENTS else None

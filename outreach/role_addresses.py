"""Pure: addresses that are read by a department, or by nobody."""

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


def role_of(address: str) -> Literal["role", "no-reply"] | None:
    """Who reads it: a department (`info@`), nobody (`no-reply@`); None: a person, it seems."""
    local = address.rpartition("@")[0].partition("+")[0].casefold()
    word = re.sub(r"[\W_]+", "", local)
    if _NOBODY.fullmatch(word):
        return "no-reply"
    return "role" if word in _DEPARTMENTS else None

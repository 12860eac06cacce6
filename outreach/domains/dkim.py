"""Looks for the key with which Google Workspace signs a domain's mail."""

import re
from typing import Literal

from outreach.domains.resolver import Resolver

SELECTOR = "google"
"""The name that Google proposes. A domain may choose another, and DNS does not list them."""
Dkim = Literal["key", "revoked", "absent"]
_KEY = re.compile(r"(?:^|;)\s*p\s*=\s*([^;]*)")


def find_key(resolver: Resolver, domain: str) -> Dkim:
    """`absent` is no proof that the domain does not sign. Raises Unanswered."""
    texts = resolver.texts(f"{SELECTOR}._domainkey.{domain}").values
    keys = [found[1].strip() for text in texts if (found := _KEY.search(text))]
    if not keys:
        return "absent"
    return "key" if any(keys) else "revoked"

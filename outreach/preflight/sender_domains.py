"""Pure: judges what receivers find in DNS about a sender's domain.

What is unknown is a note and no problem: DNS that is away must not keep a campaign from starting.
"""

from collections.abc import Iterator

from outreach.domains.dkim import SELECTOR
from outreach.domains.sender import SenderDomain
from outreach.preflight.findings import Problem

SPF = "“v=spf1 include:_spf.google.com ~all”"
DMARC = "“v=DMARC1; p=none”"


def of_sender(found: SenderDomain) -> Iterator[Problem]:
    for message, remedy in (*_of_spf(found), *_of_dmarc(found)):
        yield Problem("warning", "domain", message, remedy)


def _of_spf(found: SenderDomain) -> Iterator[tuple[str, str]]:
    domain, spf = found.domain, found.spf
    if spf is None or spf.result == "pass":
        return
    if spf.result == "none":
        yield f"{domain} has no SPF record", f"add a TXT record to {domain}: {SPF}"
    elif spf.result == "permerror":
        message = f"Receivers cannot use the SPF record of {domain}: {spf.problem}"
        yield message, "correct it"
    else:
        message = f"The SPF record of {domain} does not cover Google ({spf.result})"
        yield message, "add include:_spf.google.com to it"


def _of_dmarc(found: SenderDomain) -> Iterator[tuple[str, str]]:
    domain, dmarc = found.domain, found.dmarc
    if dmarc is None or dmarc.policy:
        return
    if dmarc.problem:
        message = f"Receivers ignore the DMARC record of {domain}: {dmarc.problem}"
        yield message, f"leave one at _dmarc.{domain}, such as {DMARC}"
    else:
        remedy = f"add a TXT record to _dmarc.{domain}: {DMARC}"
        yield f"{domain} has no DMARC record", remedy


def notes_of_sender(found: SenderDomain) -> Iterator[str]:
    """Of what is no problem, or not known to be one."""
    domain = found.domain
    if unknown := [name for name, part in _parts(found) if part is None]:
        yield f"DNS does not tell of {domain}: {', '.join(unknown)}"
    if found.dmarc is not None and found.dmarc.policy == "none":
        yield f"The DMARC policy of {domain} is none: receivers report forged mail, and deliver it"
    if found.dkim == "revoked":
        yield f"The DKIM key {SELECTOR} of {domain} is revoked: what it signed does not count"
    if found.dkim == "absent":
        yield (
            f"{domain} has no DKIM key named {SELECTOR}: it signs with another, or not at all; a "
            "test-send to another own account tells"
        )


def summary(found: SenderDomain) -> str:
    """A line with all parts: `SPF pass, DMARC reject, DKIM key google`."""
    spf = "unknown" if found.spf is None else found.spf.result
    dmarc = "unknown" if found.dmarc is None else found.dmarc.policy or "missing"
    dkim = {
        "key": f"key {SELECTOR}",
        "revoked": f"key {SELECTOR} revoked",
        "absent": f"no key {SELECTOR}, maybe another",
        None: "unknown",
    }[found.dkim]
    return f"SPF {spf}, DMARC {dmarc}, DKIM {dkim}"


def _parts(found: SenderDomain) -> list[tuple[str, object]]:
    return [("SPF", found.spf), ("DMARC", found.dmarc), ("DKIM", found.dkim)]

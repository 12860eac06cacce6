"""The proof of a test: what Google found of it when it came into another account of ours."""

import time
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from outreach.campaign.models import Account, Model
from outreach.errors import AccountUnusable, ConfigurationError, Explained, OutreachError
from outreach.inbound.authentication import Authentication, Verdict, read_results

PAUSE = 1.0
"""Seconds between two looks into the mailbox."""
GOOGLES_SIGNATURE = ".gappssmtp.com"
"""With such a domain Google signs for domains whose DKIM is not switched on."""


class Arrived(NamedTuple):
    """A mail that came in."""

    in_spam: bool
    fields: tuple[str, ...]
    """The values of its Authentication-Results, topmost first."""


class Arrivals(Protocol):
    def find(self, account_id: UUID, search_token: str) -> Arrived | None:
        """The oldest mail with this word that the account got, in spam too; None before it comes.

        Raises as the methods of the Mailer do, AccountUnusable also where it may not search.
        """
        ...


class Proof(Model):
    """How a test arrived: part of `test-send --json`."""

    account: str
    """The account that got it."""
    folder: Literal["inbox", "spam"] | None = None
    spf: str | None = None
    """As Google has it: pass, fail, softfail, neutral, none, temperror, permerror; null: it says
    nothing of it, as of DMARC where there is no record."""
    dkim: str | None = None
    dkim_domain: str | None = None
    """The domain that signed it."""
    dmarc: str | None = None
    problem: str | None = None
    """Why it is not known, or what to mend."""


def wait_for_proof(
    arrivals: Arrivals,
    account: Account,
    search_token: str,
    sender_domain: str,
    *,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> Proof:
    """Look into the account's mailbox, until the mail is there or `seconds` have passed."""
    until = time.monotonic() + seconds
    while True:
        problem = f"It has not arrived within {seconds:g} s; look for it there"
        try:
            if arrived := arrivals.find(account.id, search_token):
                return _proof(account, arrived, sender_domain)
        except (AccountUnusable, ConfigurationError) as error:
            return Proof(account=account.email, problem=_explained(error))
        except OutreachError as error:
            problem = _explained(error)  # it may pass
        if time.monotonic() >= until:
            return Proof(account=account.email, problem=problem)
        pause(PAUSE)


def _proof(account: Account, arrived: Arrived, sender_domain: str) -> Proof:
    folder: Literal["inbox", "spam"] = "spam" if arrived.in_spam else "inbox"
    found = read_results(arrived.fields, sender_domain)
    if found is None:
        problem = "Google says nothing of its SPF, DKIM and DMARC"
        return Proof(account=account.email, folder=folder, problem=problem)
    return Proof(
        account=account.email,
        folder=folder,
        spf=_result(found.spf),
        dkim=_result(found.dkim),
        dkim_domain=(found.dkim.domain if found.dkim else None) or None,
        dmarc=_result(found.dmarc),
        problem=_to_mend(found, sender_domain),
    )


def _result(verdict: Verdict | None) -> str | None:
    return verdict.result if verdict else None


def _to_mend(found: Authentication, sender_domain: str) -> str | None:
    if found.dkim and found.dkim.domain.endswith(GOOGLES_SIGNATURE):
        return (
            f"Google signed it with a domain of its own; switch DKIM on for {sender_domain} in "
            "Google's admin console"
        )
    if found.dmarc is None:
        return f"{sender_domain} has no DMARC record"
    failed = [
        name
        for name, verdict in zip(("SPF", "DKIM", "DMARC"), found, strict=True)
        if verdict is None or verdict.result != "pass"
    ]
    if failed:
        return f"Not passed: {', '.join(failed)}; see the records of {sender_domain}"
    return None


def _explained(error: Explained) -> str:
    return "; ".join(filter(None, (error.problem, error.remedy)))

"""Pure: the report of a check, from its findings and its estimate."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from outreach.campaign.snapshot import CampaignSnapshot
from outreach.preflight.findings import CheckedStep, RecipientDomains, Report, Tally


def report_of(
    snapshot: CampaignSnapshot,
    ends: list[float | None],
    tally: Tally,
    looked_at: int,
    told: tuple[list[str], RecipientDomains],
    now: datetime,
) -> Report:
    """`ends`: seconds until the last mail of each campaign of the chain, or of this one alone."""
    chained = len(snapshot.chain) == len(ends)
    seconds = _own(snapshot, ends) if chained else ends[0]
    chain_seconds = max(one or 0.0 for one in ends) if chained and None not in ends else None
    findings, (notes, recipient_domains) = tally.findings(), told
    return Report(
        id=snapshot.id,
        name=snapshot.name,
        status=snapshot.status,
        pending=snapshot.to_mail,
        looked_at=looked_at,
        accounts=len(snapshot.accounts),
        starts_in_seconds=snapshot.wait_seconds,
        seconds=seconds,
        done_at=_after(now, seconds),
        skip_dates=snapshot.skip_dates or [],
        errors=sum(finding.severity == "error" for finding in findings),
        warnings=sum(finding.severity == "warning" for finding in findings),
        findings=findings,
        notes=notes,
        recipient_domains=recipient_domains,
        steps=list(_steps(snapshot, ends, now)) if chained else [],
        chain_seconds=chain_seconds,
        chain_done_at=_after(now, chain_seconds),
    )


def _steps(
    snapshot: CampaignSnapshot, ends: list[float | None], now: datetime
) -> Iterator[CheckedStep]:
    reach = 0
    for link, seconds in zip(snapshot.chain, ends, strict=True):
        # Those of the campaigns before it come to it in the end.
        reach += sum(one.leads for one in link.ahead)
        if link.step > 1:
            yield CheckedStep(
                id=link.id,
                step=link.step,
                status=link.status,
                leads=reach,
                done_at=_after(now, seconds or None),
            )


def _own(snapshot: CampaignSnapshot, ends: list[float | None]) -> float | None:
    """None for a step that is no part of the chain any more."""
    found = [end for link, end in zip(snapshot.chain, ends, strict=True) if link.id == snapshot.id]
    return found[0] if found else None


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)

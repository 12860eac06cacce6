"""Runs the checks of a campaign before it starts: database, Google, attachment. Changes nothing."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from outreach.campaign.snapshot import COOLDOWN_DAYS, CampaignAccount, CampaignSnapshot, PlannedMail
from outreach.delivery import attachments
from outreach.delivery.account_health import AccountHealth, Mailbox, account_health
from outreach.delivery.web_address import (
    NO_WEB_ADDRESS,
    WebAddress,
    known_address,
    tried_address,
)
from outreach.domains.lookups import lookups_for
from outreach.errors import (
    AccountUnusable,
    AttachmentMissing,
    ConfigurationError,
    Explained,
    TemporarilyUnavailable,
)
from outreach.mail.mime import Attachment
from outreach.preflight import campaign as checks
from outreach.preflight import chain as chains
from outreach.preflight import leads as lead_checks
from outreach.preflight.domain_checks import DomainChecks
from outreach.preflight.fallbacks import Fallbacks
from outreach.preflight.findings import Problem, Report, Tally
from outreach.preflight.report import report_of
from outreach.settings import Settings
from outreach.store.schema import Difference
from outreach.store.store import Store

DAY = 24 * 60 * 60
SIDE_BY_SIDE = 8
"""Accounts checked at once: a slow response must not hold up the others."""
NEWS = 1000

News = Callable[[str], None]
Load = Callable[[str | None], Attachment | None]
"""The campaign's name for its attachment -> the file. Raises AttachmentMissing."""


class Rows(NamedTuple):
    """What a check reads of a campaign."""

    difference: Difference | None
    """Of the database's schema; None when it is this version's."""
    snapshot: CampaignSnapshot
    web: WebAddress
    """By which its mails unsubscribe."""
    mails: Iterable[PlannedMail]
    """A pending lead each."""
    mails_of_steps: Sequence[tuple[UUID, Iterable[PlannedMail]]] = ()
    """Of a campaign without a pending lead: the mails of each of its follow-ups."""


class Inspecting:
    """Checks from this machine; `here`: it would also send the campaign, with these settings.

    With `try_web` the web app's address is tried, which takes a second at most; without, the result
    of the last trial counts.
    """

    def __init__(
        self,
        store: Store,
        mailbox: Mailbox,
        settings: Settings,
        *,
        here: bool = True,
        load: Load | None = None,
        try_web: bool = False,
    ) -> None:
        self._store = store
        self._mailbox = mailbox
        self._settings = settings
        self._here = here
        self._web = tried_address if try_web else known_address
        self._load = load or (lambda named: attachments.load(settings.attachment_pdf, named))

    def inspect(
        self,
        campaign: UUID,
        *,
        cooldown_days: int = COOLDOWN_DAYS,
        until: float | None = None,
        news: News = lambda _: None,
    ) -> Report:
        """Check all pending leads; `news` reports progress.

        Raises CampaignNotFound, SchemaMismatch and StoreUnavailable.
        """
        return self.judge(self.read(campaign, cooldown_days=cooldown_days), until=until, news=news)

    def read(
        self, campaign: UUID, *, cooldown_days: int = COOLDOWN_DAYS, limit: int | None = None
    ) -> Rows:
        """The campaign as it is now, with its first `limit` pending leads; else they follow lazily.

        Raises CampaignNotFound, SchemaMismatch and StoreUnavailable.
        """
        mails = self._store.list_mails(campaign, cooldown_seconds=cooldown_days * DAY)
        difference, snapshot = self._store.compare_schema(), self._store.campaign_facts(campaign)
        asks = snapshot.list_unsubscribe
        return Rows(
            difference=difference,
            snapshot=snapshot,
            web=self._web(self._store, self._settings) if asks else NO_WEB_ADDRESS,
            mails=mails if limit is None else list(islice(mails, limit)),
            mails_of_steps=[] if snapshot.to_mail else self._of_steps(snapshot, limit),
        )

    def _of_steps(
        self, snapshot: CampaignSnapshot, limit: int | None
    ) -> list[tuple[UUID, Iterable[PlannedMail]]]:
        return [
            (step.id, islice(self._store.list_mails(step.id), limit))
            for step in chains.further(snapshot)
        ]

    def judge(
        self, rows: Rows, *, until: float | None = None, news: News = lambda _: None
    ) -> Report:
        """Check what was read; `news` reports progress.

        After `until`, in seconds of the monotonic clock, it checks no further lead and waits for no
        further account, nor for DNS. Raises SchemaMismatch and StoreUnavailable where leads follow
        lazily.
        """
        snapshot, now, tally = rows.snapshot, datetime.now(UTC), Tally()
        for problem in checks.of_schema(rows.difference):
            tally.add(problem, count=snapshot.to_mail)
        for problem, leads in checks.of_campaign(snapshot):
            tally.add(problem, count=leads)
        for problem in self._attachments(snapshot):
            tally.add(problem, count=snapshot.to_mail)
        for problem in self._unsubscribing(rows):
            tally.add(problem, count=snapshot.to_mail)
        for problem in chains.of_rows(snapshot, footer_required=self._settings.footer_required):
            tally.add(problem, count=snapshot.to_mail)
        for problem, domain, leads in checks.of_caps(snapshot):
            tally.add(problem, domain, count=leads)
        with lookups_for(self._settings) as lookups:
            domains = DomainChecks(lookups)
            domains.see_accounts(snapshot.accounts)
            able = self._accounts(snapshot, tally, until)
            footer = lead_checks.Footer(snapshot.footer)
            looked_at = _leads(rows, footer, domains, tally, news, until)
            told = domains.tell(tally, until)
        ends = self._ends(snapshot, able, now, in_time=until is None)
        return report_of(snapshot, ends, tally, looked_at, told, now)

    def _unsubscribing(self, rows: Rows) -> Iterator[Problem]:
        yield from checks.of_footer(rows.snapshot, required=self._settings.footer_required)
        yield from checks.of_web(rows.web)

    def _attachments(self, snapshot: CampaignSnapshot) -> Iterator[Problem]:
        """Its own, and those of its follow-ups that have others."""
        found = self._attachment(snapshot.attachment)
        yield from checks.of_attachment(found, here=self._here)
        for step in chains.further(snapshot):
            if step.attachment != snapshot.attachment:
                found = self._attachment(step.attachment)
                for problem in checks.of_attachment(found, here=self._here):
                    yield chains.of_step(step, problem)

    def _attachment(self, named: str | None) -> Attachment | AttachmentMissing | None:
        try:
            return self._load(named)
        except AttachmentMissing as error:
            return error

    def _accounts(
        self, snapshot: CampaignSnapshot, tally: Tally, until: float | None
    ) -> list[CampaignAccount]:
        """The accounts that can send, as far as it is known."""
        limit = self._settings.account_daily_limit
        side_by_side = ThreadPoolExecutor(SIDE_BY_SIDE)
        asked = [side_by_side.submit(self._standing, account) for account in snapshot.accounts]
        try:
            stand = [_in_time(answer, until) for answer in asked]
        finally:
            side_by_side.shutdown(wait=False, cancel_futures=True)
        able = []
        for account, found in zip(snapshot.accounts, stand, strict=True):
            chained = snapshot.has_steps
            problems = list(
                checks.of_account(account, found, limit, here=self._here, has_steps=chained)
            )
            for problem in problems:
                tally.add(problem, account.email, count=account.leads)
            if not any(problem.severity == "error" for problem in problems):
                able.append(account)
        return able

    def _standing(self, account: CampaignAccount) -> AccountHealth | Explained:
        try:
            return account_health(account, self._mailbox)
        except (AccountUnusable, ConfigurationError, TemporarilyUnavailable) as error:
            return error

    def _ends(
        self,
        snapshot: CampaignSnapshot,
        able: list[CampaignAccount],
        now: datetime,
        *,
        in_time: bool,
    ) -> list[float | None]:
        """Seconds until the last mail of each campaign of the chain; its own alone in a hurry."""
        return checks.estimate_chain(
            snapshot if in_time else snapshot.model_copy(update={"chain": []}),
            able,
            now,
            pace=self._settings.send_pace_seconds,
            daily_limit=self._settings.account_daily_limit,
        )


def _in_time(
    answer: Future[AccountHealth | Explained], until: float | None
) -> AccountHealth | Explained:
    try:
        return answer.result(None if until is None else max(0, until - time.monotonic()))
    except TimeoutError:
        return TemporarilyUnavailable("Google has not answered in time.")


def _leads(
    rows: Rows,
    footer: lead_checks.Footer,
    domains: DomainChecks,
    tally: Tally,
    news: News,
    until: float | None,
) -> int:
    """Returns the number of leads that were checked."""
    duplicates, fallbacks, looked_at = lead_checks.Duplicates(), Fallbacks(), 0
    steps = chains.step_mails(rows.snapshot)
    for planned in rows.mails:
        if until is not None and time.monotonic() >= until:
            break
        looked_at += 1
        for problem in (
            *lead_checks.problems(planned),
            *footer.of(planned),
            *duplicates.of(planned),
        ):
            tally.add(problem, *filter(None, [planned.lead.email]))
        fallbacks.see(planned)
        domains.see(planned)
        for step in steps.values():
            step.see(planned, tally)
        if looked_at % NEWS == 0:
            news(f"{looked_at:,} leads")
    for id_of_step, mails in rows.mails_of_steps:
        for planned in mails:
            if until is not None and time.monotonic() >= until:
                break
            steps[id_of_step].see(planned, tally)
    fallbacks.tell(tally)
    for step in steps.values():
        step.tell(tally)
    return looked_at

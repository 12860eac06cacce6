"""The campaign's record: one method per SQL function, over either transport.

Every method may raise StoreUnavailable and may then be called again with the same arguments: the
functions are repeatable, and the caller makes the ids. Methods for operators may raise Rejected.
"""

import time as clock
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import SecretStr

from outreach.campaign.history import LeadHistory, TemplateVersion
from outreach.campaign.models import (
    Account,
    Act,
    CampaignLead,
    CampaignStatus,
    Claim,
    Company,
    Credentials,
    ExportedLead,
    ListedAccount,
    ListedLead,
    NotMailed,
    OpenAttempt,
    Suppression,
)
from outreach.campaign.numbers import Report, Upcoming
from outreach.campaign.progress import Progress
from outreach.campaign.snapshot import CampaignSnapshot, PlannedMail
from outreach.errors import (
    AccountUnusable,
    CampaignNotFound,
    SchemaMismatch,
    StoreUnavailable,
)
from outreach.excerpts import REASON, cut
from outreach.mail.addresses import normalise
from outreach.mail.content import Content
from outreach.settings import Settings
from outreach.store import given, schema
from outreach.store.alarm import Alarm, Notifications, Polls, SilentError
from outreach.store.calls import PAGE, Calls, Row, Transport, answered
from outreach.store.mailboxes import Mailboxes
from outreach.store.results import (
    AccountSummary,
    AddedStep,
    Attempted,
    Batch,
    Begun,
    Checked,
    Created,
    Dispatched,
    DispatcherState,
    Due,
    Erased,
    Exposed,
    Finished,
    Imported,
    Lifted,
    OperatingFigures,
    Places,
    Reason,
    Recounted,
    Suppressed,
    Suspension,
    SweptSuppressions,
    Unsubscribed,
    WebTrial,
)
from outreach.store.schema import Difference, SchemaVersion

LARGE_PAGE = 1000
"""Rows, where a page costs more than its rows: for a tag the database reads all leads each time."""


class Versions:
    """The versions of templates that this process has stored; the last 10,000."""

    MOST = 10_000

    def __init__(self) -> None:
        self._hashes: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, version: str) -> bool:
        return version in self._hashes

    def add(self, version: str) -> None:
        self._hashes[version] = None
        if len(self._hashes) > self.MOST:
            self._hashes.popitem(last=False)


class Store(Calls):
    def __init__(
        self, transport: Transport, settings: Settings, session_url: SecretStr | None = None
    ) -> None:
        """`session_url`: of the same database, for sessions that listen, if it has one."""
        super().__init__(transport)
        self.mailboxes = Mailboxes(transport)
        self._settings = settings
        self._session_url = session_url
        self._versions = Versions()

    def close(self) -> None:
        self._transport.close()

    # --- a campaign's run ---------------------------------------------------------------

    def begin_run(self, campaign: UUID, run: UUID, lease_seconds: float) -> Begun:
        """Take the campaign's lease, for `lease_seconds`.

        Raises CampaignNotFound, and SchemaMismatch before anything is taken.
        """
        answer = self._one(
            "begin_run",
            campaign=campaign,
            run=run,
            lease_seconds=lease_seconds,
            release=schema.release(),
        )
        return answered(Begun, _found(campaign, answer))

    def renew_runs(
        self, runs: Mapping[UUID, UUID], lease_seconds: float
    ) -> dict[UUID, Literal["renewed", "paused", "stopped"]]:
        """For all runs of a process: of each run its campaign; answers by run."""
        rows = self._call(
            "renew_runs",
            campaigns=list(runs.values()),
            runs=list(runs),
            lease_seconds=lease_seconds,
        )
        return {UUID(row["run"]): row["answer"] for row in rows}

    def owning_runs(self, runs: list[UUID]) -> set[UUID]:
        """Those of them that own a campaign at this moment."""
        return {UUID(row["run"]) for row in self._call("owning_runs", runs=runs)}

    def release_run(self, campaign: UUID, run: UUID) -> None:
        self._call("release_run", campaign=campaign, run=run)

    def decline_run(self, campaign: UUID, run: UUID) -> None:
        """Release a campaign that this worker may not send, so that another one goes on."""
        self._call("decline_run", campaign=campaign, run=run)

    def check_campaign(self, campaign: UUID) -> Checked:
        """Raises CampaignNotFound."""
        return Checked.model_validate(self._row(campaign, "check_campaign"))

    def finish_run(
        self, campaign: UUID, run: UUID, resume_after: float | None, reason: str | None
    ) -> Finished:
        answer = self._one(
            "finish_run", campaign=campaign, run=run, resume_after=resume_after, reason=reason
        )
        return answered(Finished, answer)

    def fail_run(self, campaign: UUID, run: UUID, reason: str) -> bool:
        """End the campaign in error if the run owns it; returns whether it did."""
        return bool(self._call("fail_run", campaign=campaign, run=run, reason=cut(reason, REASON)))

    def crash_run(self, campaign: UUID, run: UUID, cause: str) -> bool:
        """Release a dead run's campaign; returns whether that ended the campaign in error.

        The third death in a row without progress does.
        """
        rows = self._call("crash_run", campaign=campaign, run=run, cause=cut(cause, REASON))
        return any(row["answer"] == "failed" for row in rows)

    def cancel_run(self, campaign: UUID, run: UUID) -> None:
        self._call("cancel_run", campaign=campaign, run=run)

    def take_due(self, rest_seconds: float = 0) -> list[Due]:
        """Campaigns to run now, and those that are given up; each is returned once.

        At most as many as CAMPAIGNS_AT_ONCE has free places. `rest_seconds`: after a run that died,
        for each in a row.
        """
        rows = self._call(
            "take_due", places=self._settings.campaigns_at_once, rest_seconds=rest_seconds
        )
        return [answered(Due, row) for row in rows]

    def next_due(self) -> float | None:
        """Seconds until the next campaign is due, 0 for now; None when none is by itself."""
        seconds = self._one("next_due")["seconds"]
        return None if seconds is None else float(seconds)

    def alarm(self) -> Alarm:
        """What wakes a dispatcher; to be closed. It polls where no session listens."""
        if self._session_url is not None:
            with suppress(SilentError, StoreUnavailable):
                return Notifications(self._session_url, self._probe_dispatcher)
        return Polls(self.next_due)

    def _probe_dispatcher(self, probe: UUID) -> None:
        self._call("probe_dispatcher", probe=probe)

    def lead_dispatch(self, dispatcher: UUID, name: str, woken_by: str, seconds: float) -> bool:
        """Note that this dispatcher lives; whether it leads now, and for `seconds`."""
        answer = self._one(
            "lead_dispatch", dispatcher=dispatcher, name=name, woken_by=woken_by, seconds=seconds
        )
        return bool(answer["answer"] == "leads")

    def leave_dispatch(self, dispatcher: UUID) -> None:
        self._call("leave_dispatch", dispatcher=dispatcher)

    def dispatcher_state(self) -> DispatcherState:
        return DispatcherState.model_validate(self._one("dispatcher_state"))

    def count_places(self) -> Places:
        return Places.model_validate(self._one("count_places"))

    def operating_figures(self) -> OperatingFigures:
        """For operators' monitoring; cheap enough to be asked for every few seconds."""
        return OperatingFigures.model_validate(self._one("operating_figures"))

    def note_dispatch(self, campaign: UUID, flow_run: UUID) -> None:
        self._call("note_dispatch", campaign=campaign, flow_run=str(flow_run))

    def list_dispatched(self) -> Iterator[Dispatched]:
        """Campaigns whose last dispatch has not begun yet."""
        for row in self._pages("list_dispatched"):
            yield Dispatched.model_validate(row)

    def forget_dispatch(self, campaign: UUID, flow_run: UUID) -> None:
        """Its run ended without beginning: the campaign may be dispatched again."""
        self._call("forget_dispatch", campaign=campaign, flow_run=str(flow_run))

    def prolong_dispatch(self, campaign: UUID, flow_run: UUID) -> None:
        """Its run waits for a place in Prefect: nobody has missed it."""
        self._call("prolong_dispatch", campaign=campaign, flow_run=str(flow_run))

    def suspend_run(self, campaign: UUID, run: UUID) -> bool:
        """Pause the campaign until its run is resumed in Prefect; False if it is not the run's."""
        return bool(self._call("suspend_run", campaign=campaign, run=run))

    def list_suspended(self) -> Iterator[Suspension]:
        for row in self._pages("list_suspended"):
            yield Suspension.model_validate(row)

    def forget_suspension(self, campaign: UUID, run: UUID) -> None:
        """Its run can no longer be resumed: a paused campaign waits for a person's `resume`."""
        self._call("forget_suspension", campaign=campaign, run=run)

    def sweep_cancelled(self) -> int:
        """Cancel some pending leads of campaigns that were cancelled in their row.

        Returns their number.
        """
        return int(self._one("sweep_cancelled")["leads"])

    # --- one mail -----------------------------------------------------------------------

    def claim_leads(self, batch: UUID, campaign: UUID, run: UUID, limit: int) -> Batch:
        """Claims for this batch, each due on this process's monotonic clock.

        Raises SchemaMismatch when a new release of the functions does not accept our calls.
        """
        asked_at = clock.monotonic()
        answer = self._one(
            "claim_leads",
            batch=batch,
            campaign=campaign,
            run=run,
            most=limit,
            claim_seconds=self._settings.claim_lease_seconds,
            settle_seconds=self._settings.settle_after_seconds,
            release=schema.release(),
            **self._defaults(),
        )
        claimed = answered(Batch, answer)
        due = [
            claim.model_copy(update={"due": asked_at + claim.wait_seconds})
            for claim in claimed.claims
        ]
        return claimed.model_copy(update={"claims": due})

    def begin_attempt(
        self,
        attempt: UUID,
        claim: Claim,
        run: UUID,
        search_token: str,
        draft_id: str | None,
        thread_id: str | None,
        looked_seconds: float | None = None,
        content: Content | None = None,
    ) -> Attempted:
        """`looked_seconds`: since a look at the thread of a follow-up.

        `content`: what the mail was made from; None for an earlier attempt's draft.
        """
        is_new = content is not None and content.version not in self._versions
        answer = self._one(
            "begin_attempt",
            attempt=attempt,
            lead=claim.id,
            claim=claim.token,
            run=run,
            sender=claim.sender.id,
            mail_address=normalise(claim.lead.email),
            token=search_token,
            budget_seconds=self._settings.gmail_timeout_seconds,
            draft=draft_id,
            thread=thread_id,
            knows_cancelled=True,
            looked_seconds=looked_seconds,
            content=None if content is None else content.record(with_text=is_new),
            **self._defaults(),
        )
        if content is not None and not content.own and answer["answer"] == "go":
            self._versions.add(content.version)
        return answered(Attempted, answer)

    def record_outcome(
        self,
        attempt: UUID,
        became: Literal["sent", "refused", "not_sent", "unclear"],
        *,
        message_id: str | None = None,
        thread_id: str | None = None,
        why: str | None = None,
        again_after: float | None = None,
    ) -> str:
        """The recorded outcome: the first one stays, but `sent` overrides every other."""
        answer = self._one(
            "record_outcome",
            attempt=attempt,
            became=became,
            message=message_id,
            thread=thread_id,
            why=None if why is None else cut(why, REASON),
            again_after=again_after,
        )
        return str(answer["answer"])

    def fail_lead(self, claim: Claim, why: str) -> None:
        self._call("fail_lead", lead=claim.id, claim=claim.token, why=cut(why, REASON))

    def leave_lead(self, claim: Claim, why: str) -> None:
        """It is not to be mailed, which is no failure."""
        self._call("leave_lead", lead=claim.id, claim=claim.token, why=cut(why, REASON))

    def defer_lead(
        self, attempt: UUID, claim: Claim, run: UUID, why: str, again_after: float | None
    ) -> None:
        self._call(
            "defer_lead",
            attempt=attempt,
            lead=claim.id,
            claim=claim.token,
            run=run,
            mail_address=normalise(claim.lead.email),
            why=cut(why, REASON),
            again_after=again_after,
        )

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is still the lead's, and no attempt was begun on it."""
        return bool(self._one("holds_claim", lead=claim.id, claim=claim.token)["holds"])

    def forget_draft(self, claim: Claim, search_token: str) -> None:
        """Of a draft that was deleted unsent, so that no later claim takes it up."""
        self._call("forget_draft", lead=claim.id, claim=claim.token, token=search_token)

    def list_open_attempts(self, campaign: UUID | None = None) -> Iterator[OpenAttempt]:
        for row in self._pages("list_open_attempts", campaign=campaign):
            yield OpenAttempt.model_validate(row)

    def drafts_in_use(self, drafts: list[str]) -> set[str]:
        """The subset of these drafts that may still be sent."""
        return {str(row["draft"]) for row in self._call("drafts_in_use", drafts=drafts)}

    # --- suppressions -------------------------------------------------------------------

    def unsubscribe(self, token: str, origin: str = "link") -> Unsubscribed:
        """Suppress the recipient of the mail with this search token, for its campaign's owner."""
        return answered(Unsubscribed, self._one("unsubscribe", token=token, origin=origin))

    def suppress(
        self,
        entries: list[dict[str, Any]],
        origin: str,
        *,
        by: str | None = None,
        owner: UUID | None = None,
        force: bool = False,
    ) -> Suppressed:
        """Suppress addresses and domains, at most 1,000 per call; for everybody without an owner.

        Keys of an entry: key (as `suppression_key` gives it), cause, reason, until. `force`: also
        domains of many people or companies.
        """
        answer = self._one(
            "suppress", entries=entries, origin=origin, by_name=by, owner=owner, forced=force
        )
        return Suppressed.model_validate(answer)

    def lift_suppressions(self, keys: list[str], by: str, owner: UUID | None = None) -> Lifted:
        """Lift all suppressions of these keys, of one owner or of all; `by` is noted."""
        answer = self._one("lift_suppressions", keys=keys, by_name=by, owner=owner)
        return Lifted.model_validate(answer)

    def list_suppressions(self, owner: UUID | None = None) -> Iterator[Suppression]:
        for row in self._pages("list_suppressions", most=LARGE_PAGE, owner=owner):
            yield Suppression.model_validate(row)

    def list_acts(self, key: str) -> list[Act]:
        """What was done to the suppressions of this address or domain: the last 1,000 acts."""
        return [Act.model_validate(row) for row in self._call("list_acts", key=key)]

    def sweep_suppressed(self) -> SweptSuppressions:
        """Cancel pending leads of some new suppressions; both counts are 0 when none is left."""
        return SweptSuppressions.model_validate(self._one("sweep_suppressed"))

    def cancelled_reasons(self, campaign: UUID) -> list[NotMailed]:
        """Why leads of the campaign are cancelled while it is not, the most frequent first."""
        rows = self._call("cancelled_reasons", campaign=campaign)
        return [NotMailed.model_validate(row) for row in rows]

    # --- a person -------------------------------------------------------------------------

    def lead_history(self, address: str) -> LeadHistory:
        """All that ever happened to this address, also when no lead has it any more."""
        return LeadHistory.model_validate(
            {
                "address": address,
                "campaigns": self._call("lead_in_campaigns", address=address),
                "suppressions": self._call("lead_suppressions", address=address),
                "events": self._call("lead_events", address=address),
            }
        )

    def template_text(self, version: str) -> TemplateVersion | None:
        """The text of a version, by its hash or the first characters of it, eight or more."""
        rows = self._call("template_text", template=version)
        return TemplateVersion.model_validate(rows[0]) if rows else None

    # --- accounts -----------------------------------------------------------------------

    def save_account(
        self,
        account: UUID,
        email: str,
        *,
        refresh_token: str | None = None,
        sender_name: str | None = None,
        reply_to: str | None = None,
        pace_seconds: float | None = None,
        daily_limit: int | None = None,
        owner: UUID | None = None,
        ramp: tuple[int, int] | None = None,
        domain_cap: int | None = None,
    ) -> UUID:
        """Add or change an account; None leaves a value unchanged. Returns the account's id.

        `ramp`: the limit of its first day and what each day that sent adds; (0, 0): none.
        `domain_cap`: mails in any 24 hours to one domain, from all accounts; 0: no cap.
        """
        answer = self._one(
            "save_account",
            account=account,
            address=email,
            token=refresh_token,
            display_name=given.sender_name(sender_name),
            answer_to=reply_to,
            pace=given.pace(pace_seconds),
            per_day=daily_limit,
            owner=owner,
            # Only what is given: functions of an earlier release do not know them.
            **({} if ramp is None else {"ramp_begin": ramp[0], "ramp_growth": ramp[1]}),
            **({} if domain_cap is None else {"cap": domain_cap}),
        )
        return UUID(answer["id"])

    def list_accounts(self) -> Iterator[ListedAccount]:
        """All accounts; without its own pace or limit, an account has those of this process."""
        for row in self._pages("list_accounts"):
            pace, account = row["pace_seconds"], Account.model_validate(row)
            yield ListedAccount.model_validate(
                {
                    **row,
                    "pace_in_force": self._settings.send_pace_seconds if pace is None else pace,
                    "limit_in_force": account.limit(self._settings.account_daily_limit),
                }
            )

    def remove_account(self, email: str) -> None:
        """Raises Rejected while a pending lead is assigned to it."""
        self._one("remove_account", address=email)

    def read_credentials(self, account: UUID) -> Credentials:
        """Raises AccountUnusable when the account was removed."""
        rows = self._call("read_credentials", account=account)
        if not rows:
            raise AccountUnusable("the account was removed", "add it again")
        return Credentials.model_validate(rows[0])

    def mark_account_unusable(self, account: UUID, reason: str) -> None:
        self._call("mark_account_unusable", account=account, reason=cut(reason, REASON))

    def pause_account(
        self,
        account: UUID,
        seconds: float | None,
        *,
        whole_project: bool = False,
        brief: bool = False,
    ) -> float:
        """Pause it, longer each time in a row; returns the seconds from now on.

        `brief`: exactly for `seconds`; without them from one second up to a minute.
        """
        answer = self._one(
            "pause_account",
            account=account,
            seconds=seconds,
            whole_project=whole_project,
            brief=brief,
        )
        return float(answer["seconds"])

    # --- leads and campaigns ------------------------------------------------------------

    def import_leads(
        self, rows: list[dict[str, Any]], tag: str | None, owner: UUID | None = None
    ) -> Imported:
        """Add or update leads; a few thousand rows per call at most.

        Keys as in the CSV file, plus custom_fields, empty_fields (known names without a value; they
        replace no value), own_text (texts that belong to the lead and not to its company) and clear
        (fields to be emptied where the row's are empty).
        """
        return Imported.model_validate(
            self._one("import_leads", rows=rows, list_tag=tag, owner=owner)
        )

    def erase_person(self, address: str, by: str) -> Erased:
        """Forget the address in every table; its keyed hash keeps the person from being mailed.

        Raises Rejected without an address or a name.
        """
        return answered(Erased, self._one("erase_person", address=address, by_name=by))

    def sweep_erasures(self) -> int:
        """Erase persons whose mail has had its outcome meanwhile; returns how many."""
        return int(self._one("sweep_erasures")["persons"])

    def sweep_retention(self, days: float) -> int:
        """Forget some persons who were mailed last before that many days; returns how many."""
        return int(self._one("sweep_retention", days=float(days))["persons"])

    def list_leads(self, tag: str | None = None, status: str | None = None) -> Iterator[ListedLead]:
        """Leads with this tag, and with this status in a campaign."""
        for row in self._pages("list_leads", most=LARGE_PAGE, with_tag=tag, with_status=status):
            yield ListedLead.model_validate(row)

    def create_campaign(
        self,
        campaign: UUID,
        name: str,
        accounts: list[str],
        *,
        tag: str | None = None,
        companies: list[str] | None = None,
        starts_at: datetime | None = None,
        attachment: str | None = None,
        time_zone: str | None = None,
        days: list[int] | None = None,
        day_from: time | None = None,
        day_until: time | None = None,
        owner: UUID | None = None,
        subject_variables: bool | None = False,
        list_unsubscribe: bool = False,
        footer: str | None = None,
        skip_dates: list[date] | None = None,
    ) -> Created:
        """`subject_variables`: fill the subjects for each lead; None: if one has a placeholder.

        `list_unsubscribe`: its mails have the header fields to unsubscribe; `footer`: a template
        below each of them. `skip_dates`: in its time zone, its window does not open on them.

        Raises Rejected, and changes nothing, without a lead or an account.
        """
        answer = self._one(
            "create_campaign",
            campaign=campaign,
            campaign_name=given.campaign_name(name),
            account_addresses=accounts,
            lead_tag=tag,
            company_names=companies,
            starts_at=starts_at,
            attachment_name=attachment,
            zone=time_zone,
            days=days,
            day_from=day_from,
            day_until=day_until,
            owner=owner,
            subject_variables=subject_variables,
            list_unsubscribe=list_unsubscribe,
            footer_text=footer,
            **({} if skip_dates is None else {"days_off": skip_dates}),
        )
        return Created.model_validate(answer)

    def add_step(
        self,
        campaign: UUID,
        step: UUID,
        *,
        days: int | None = None,
        seconds: float | None = None,
        name: str | None = None,
        subject: str | None = None,
        template: str | None = None,
        attachment: str | None = "",
        late_seconds: float = 604_800,
        since: datetime | None = None,
        company_stops: bool = False,
    ) -> AddedStep:
        """Add a follow-up, `days` or `seconds` after the step before was sent.

        Without a subject it answers in the thread; without a template it has the texts of the first
        mail. Raises CampaignNotFound and Rejected.
        """
        answer = self._one(
            "add_step",
            root=campaign,
            step_id=step,
            after_days=days,
            after_seconds=seconds,
            step_name=None if name is None else given.campaign_name(name),
            subject=subject,
            template=template,
            attachment_name=attachment,
            late_seconds=late_seconds,
            since=since,
            company_stops=company_stops,
        )
        return AddedStep.model_validate(_found(campaign, answer))

    def remove_step(self, step: UUID) -> None:
        """Raises CampaignNotFound, and Rejected once it has mailed or another step follows it."""
        _found(step, self._one("remove_step", step_id=step))

    def plan_steps(self) -> int:
        """Plan some leads of follow-ups that are due soon; 0 when none is left."""
        planned = self._one("plan_steps")
        return int(planned["leads"]) + int(planned["stopped"])

    def start_campaign(self, campaign: UUID, *, asked: bool = False) -> Row:
        """`answer`: running, scheduled (wait_seconds) or already (status, owned, paused, pending).

        `asked`: the caller asks Prefect for its run, or makes it: no dispatcher does for five
        minutes. Raises CampaignNotFound.
        """
        return _found(campaign, self._one("start_campaign", campaign=campaign, asked=asked))

    def cancel_campaign(self, campaign: UUID) -> Row:
        """`answer`: cancelled (leads) or already_ended (status). Raises CampaignNotFound."""
        return _found(campaign, self._one("cancel_campaign", campaign=campaign))

    def pause_campaign(self, campaign: UUID) -> None:
        """Raises CampaignNotFound, and Rejected when it is neither scheduled nor running."""
        _found(campaign, self._one("pause_campaign", campaign=campaign))

    def resume_campaign(self, campaign: UUID) -> None:
        """Raises CampaignNotFound, and Rejected when there is nothing to resume."""
        _found(campaign, self._one("resume_campaign", campaign=campaign))

    def retry_failed(
        self,
        campaign: UUID,
        *,
        account: str | None = None,
        reason: str | None = None,
        include_unclear: bool = False,
        suppressed: bool = False,
    ) -> int:
        """Make failed leads pending; returns their number. Raises CampaignNotFound, Rejected.

        `suppressed`: instead those that were cancelled for a suppression that no longer holds.
        """
        answer = self._one(
            "retry_failed",
            campaign=campaign,
            account_address=account,
            because=reason,
            unclear_too=include_unclear,
            suppressed=suppressed,
        )
        return int(_found(campaign, answer)["leads"])

    def list_campaigns(self) -> Iterator[CampaignStatus]:
        for row in self._pages("list_campaigns"):
            yield CampaignStatus.model_validate(row)

    def recent_campaigns(
        self, status: str | None = None, since: datetime | None = None
    ) -> Iterator[CampaignStatus]:
        """Campaigns created from `since` on, the newest first."""
        last: Row = {}
        while rows := self._call(
            "recent_campaigns", with_status=status, since=since, most=PAGE, **last
        ):
            yield from map(CampaignStatus.model_validate, rows)
            last = {"before": rows[-1]["created_at"], "before_id": rows[-1]["id"]}

    def campaign_status(self, campaign: UUID) -> CampaignStatus:
        """Raises CampaignNotFound."""
        return CampaignStatus.model_validate(self._row(campaign, "campaign_status"))

    def list_campaign_leads(
        self, campaign: UUID, status: str | None = None
    ) -> Iterator[CampaignLead]:
        for row in self._pages("list_campaign_leads", campaign=campaign, with_status=status):
            yield CampaignLead.model_validate(row)

    def export_leads(self, campaign: UUID, status: str | None = None) -> Iterator[ExportedLead]:
        """The leads of list_campaign_leads, with all known fields."""
        for row in self._pages("list_campaign_leads", campaign=campaign, with_status=status):
            yield ExportedLead.model_validate(row)

    def campaign_progress(self, campaign: UUID) -> Progress:
        """Its progress and its obstacles, per account. Raises CampaignNotFound."""
        row = self._row(campaign, "campaign_progress", **self._defaults())
        return Progress.model_validate({**row, "places": self._settings.campaigns_at_once})

    def campaign_facts(self, campaign: UUID) -> CampaignSnapshot:
        """Raises CampaignNotFound."""
        return CampaignSnapshot.model_validate(self._row(campaign, "campaign_facts"))

    def list_mails(
        self,
        campaign: UUID,
        *,
        cooldown_seconds: float = 0,
        every: bool = False,
        lead: UUID | None = None,
        address: str | None = None,
    ) -> Iterator[PlannedMail]:
        """Mails of the pending leads, of `every` lead, or of one: by its id or by its address."""
        asked = {"cooldown_seconds": cooldown_seconds, "every": every}
        companies: OrderedDict[str | None, Company] = OrderedDict()
        for row in self._pages(
            "list_mails", campaign=campaign, lead=lead, address=address, **asked
        ):
            key = row["company_id"]
            if row["company"] is not None:
                # It comes with the first of its leads on a page: those of older pages may go.
                companies.pop(key, None)
                companies[key] = Company.model_validate(row["company"])
                if len(companies) > PAGE:
                    companies.popitem(last=False)
            yield PlannedMail.model_validate({**row, "company": companies[key]})

    def failure_reasons(self, campaign: UUID) -> list[Reason]:
        rows = self._call("failure_reasons", campaign=campaign)
        return [Reason.model_validate(row) for row in rows]

    def campaign_account_summary(self, campaign: UUID, run: UUID) -> Iterator[AccountSummary]:
        for row in self._pages("campaign_account_summary", campaign=campaign, run=run):
            yield AccountSummary.model_validate(row)

    def resolve_lead(
        self,
        was_sent: bool,
        *,
        lead: UUID | None = None,
        campaign: UUID | None = None,
        address: str | None = None,
    ) -> Row:
        """Record an operator's finding; returns lead, lead_status, campaign and campaign_status.

        Name the lead by its id, or by its address in a campaign. Raises Rejected unless it may have
        been sent.
        """
        return self._one(
            "resolve_lead", was_sent=was_sent, lead=lead, campaign=campaign, address=address
        )

    # --- recipients -----------------------------------------------------------------------

    def record_opens(self, fetches: list[tuple[UUID, UUID, str, float]]) -> int:
        """Record fetches of pixels, at most 1,000; returns how many leads opened a mail first.

        A fetch: its id, campaign_leads.id, the user agent (empty for none), seconds ago.
        """
        names = ("id", "lead", "user_agent", "seconds_ago")
        rows = [
            dict(zip(names, (str(one), str(lead), agent, ago), strict=True))
            for one, lead, agent, ago in fetches
        ]
        return int(self._one("record_opens", fetches=rows)["opened"])

    def adopt_opens(self) -> int:
        """Count some openings that the web app wrote itself; 0 when none is left."""
        return int(self._one("adopt_opens")["leads"])

    def recount(self) -> Recounted:
        """Rebuild the counts of the reports from the log; outcomes wait meanwhile."""
        while self.adopt_opens():
            pass
        return Recounted.model_validate(self._one("recount_mails"))

    def take_canary(self, base: str, rest_seconds: float = 0) -> str | None:
        """The token with which the web app's address is tried.

        With `rest_seconds` None while the last trial went well so recently, and where no campaign
        needs it.
        """
        rows = self._call(
            "take_canary",
            web_address=base,
            fresh_canary=f"canary{uuid4().hex}",
            rest_seconds=float(rest_seconds),
        )
        return str(rows[0]["canary"]) if rows else None

    def note_canary(self, base: str, problem: str | None) -> None:
        """The trial's result; without a problem, the address answers."""
        why = None if problem is None else cut(problem, REASON)
        self._call("note_canary", web_address=base, well=problem is None, why=why)

    def read_canary(self, base: str) -> WebTrial | None:
        """The last trial of the address; None before the first one."""
        rows = self._call("read_canary", web_address=base)
        return WebTrial.model_validate(rows[0]) if rows else None

    # --- reports --------------------------------------------------------------------------

    def report(
        self, campaign: UUID | None = None, since: date | None = None, until: date | None = None
    ) -> Report:
        """Of mails sent on these days (UTC), of one campaign or of all. Raises CampaignNotFound."""
        while self.adopt_opens():
            pass
        days = {
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
        }
        numbers = self._one("report_numbers", campaign=campaign, **days)
        if campaign is not None:
            if not numbers["campaigns"]:
                raise CampaignNotFound(campaign)
            return Report.model_validate({**numbers, "campaign": campaign})
        more = {"upcoming": self._call("report_upcoming"), "cohorts": self._call("report_cohorts")}
        return Report.model_validate({**numbers, **more})

    def report_upcoming(self) -> list[Upcoming]:
        """Campaigns that will send, the next first; at most 100."""
        return [Upcoming.model_validate(row) for row in self._call("report_upcoming")]

    def take_digest(self, day: date) -> bool:
        """Whether the caller publishes the digest of this day: one of all workers does."""
        return bool(self._one("take_digest", of_day=day.isoformat())["answer"] == "taken")

    def leave_digest(self, day: date) -> None:
        """It could not be published: the next round takes it again."""
        self._call("leave_digest", of_day=day.isoformat())

    # --- the database itself ----------------------------------------------------------------

    def exposed_tokens(self) -> list[Exposed]:
        """Roles of the web app's users that can read accounts' tokens."""
        return [Exposed.model_validate(row) for row in self._call("exposed_tokens")]

    def schema_version(self) -> SchemaVersion:
        """The release of the database's functions, and their hash now."""
        return SchemaVersion.model_validate(self._one("schema_version"))

    def compare_schema(self) -> Difference | None:
        """How its functions differ from this version's; None: equal.

        Raises SchemaMismatch when they may not be called.
        """
        found = self.schema_version()
        difference = schema.difference(found.state, found.version)
        if difference is not None and found.state in {"older", "unsupported"}:
            raise SchemaMismatch(*difference)
        return difference

    def _defaults(self) -> dict[str, Any]:
        return {
            "default_pace": self._settings.send_pace_seconds,
            "default_per_day": self._settings.account_daily_limit,
        }


def _found(campaign: UUID, answer: Row) -> Row:
    if answer["answer"] == "not_found":
        raise CampaignNotFound(campaign)
    return answer

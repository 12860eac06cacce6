"""`outreach campaigns preview` and `test-send`: see a campaign's mails before its leads do."""

import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from outreach import commands
from outreach.campaign.snapshot import COOLDOWN_DAYS
from outreach.cli.campaigns.proof import proof_of, told
from outreach.cli.context import campaign_id, opened_services, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json, show_json_line
from outreach.errors import AttachmentMissing, RecipientRefused, Rejected, TemplateNotReady

if TYPE_CHECKING:
    from outreach.campaign.models import Account
    from outreach.campaign.snapshot import CampaignSnapshot, PlannedMail
    from outreach.mail.mime import Attachment
    from outreach.mail.unsubscribe import OptOut
    from outreach.settings import Settings
    from outreach.store.store import Store
    from outreach.web.show import Shown

LIMIT = 100
WAIT_SECONDS = 30.0
DAY = 24 * 60 * 60

Campaign = Annotated[str, typer.Argument(metavar="ID")]
LeadOption = Annotated[
    str | None, typer.Option("--lead", metavar="EMAIL|ID", help="This lead's mail.")
]


def preview(
    campaign: Campaign,
    *,
    lead: LeadOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Leads to show.")] = LIMIT,
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write .eml and .html files into this folder."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, on a terminal.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show what each pending lead would get, in the browser or as files; nothing is sent.

    Of a campaign without a pending lead, what the others got or would have got; of a follow-up
    that is not planned yet, what the leads of the campaign before it would get.
    """
    found = campaign_id(campaign)
    with opened_store() as store:
        shown = _shown(store, found, lead, limit)
    if out is not None:
        _write(shown, found, out, as_json=as_json)
    else:
        _serve(shown, port, browser=browser and sys.stdout.isatty(), as_json=as_json)


def send_test(
    campaign: Campaign,
    *,
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="An address of your own.")],
    lead: LeadOption = None,
    account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Send it from this account.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, max=600, help="For its arrival; 0: look once."),
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Send a lead's mail to yourself, marked as a test; of the first pending lead unless told.

    The lead stays as it is: nothing is recorded of a test. If the address is another connected
    account, its mailbox is read: whether the test arrived, and passed SPF, DKIM and DMARC.
    """
    from outreach.delivery import test_mail as trial
    from outreach.delivery.web_address import tried_address

    found, address = campaign_id(campaign), _own_address(to)
    with opened_services() as services:
        snapshot = services.store.campaign_facts(found)
        planned = _planned(services.store, snapshot, lead)
        if _is_lead(services.store, snapshot, address):
            raise Rejected(
                f"{address} is a lead of this campaign, and a lead is mailed once",
                "give another address of your own, such as you+test@…",
            )
        sender = _sender(services.store, planned, account)
        attachment = _attachment(services.settings, snapshot)
        try:
            web = tried_address(services.store, services.settings)
            ways = _opt_out(snapshot, web.base)
            sent, token = trial.send_trial(
                services.mailer, planned, sender, address, attachment, ways, web.canary
            )
        except (TemplateNotReady, RecipientRefused) as error:
            raise Rejected(error.problem, "mend that, then test again") from None
        proof = proof_of(services, sender, address, token, wait)
    if as_json:
        show_json(
            {
                "to": address,
                "lead": planned.lead.email,
                "account": sender.email,
                "in_thread": planned.answers,
                "message_id": sent.message_id,
                "thread_id": sent.thread_id,
                "received": proof and proof.model_dump(),
            }
        )
    else:
        say(f"Sent to {address} as a test, from {sender.email}: the mail of {planned.lead.email}.")
        if planned.answers:
            say("It stands alone here; the lead gets it in the thread of the mail before.")
        if proof is not None:
            say(told(proof))


# --- which mails ------------------------------------------------------------------------------


def _shown(store: "Store", campaign: UUID, lead: str | None, limit: int) -> "Shown":
    from outreach import settings as settings_module
    from outreach.delivery.web_address import base_of
    from outreach.preflight.preview import previewed
    from outreach.web.show import Shown

    settings, snapshot = settings_module.load(), store.campaign_facts(campaign)
    if lead is not None:
        mails = iter([_planned(store, snapshot, lead)])
        of = 1
    else:
        every = snapshot.to_mail == 0
        of = snapshot.leads.total if every else snapshot.to_mail
        cooldown = float(COOLDOWN_DAYS * DAY)
        mails = store.list_mails(campaign, every=every, cooldown_seconds=cooldown)
    previews = list(previewed(islice(mails, limit), snapshot.footer))
    if not previews:
        raise Rejected("The campaign has no lead, so there is nothing to show.")
    attachment, why = None, None
    try:
        attachment = _attachment(settings, snapshot)
    except AttachmentMissing as error:
        why = str(error)
    return Shown(
        campaign=snapshot.name,
        previews=previews,
        pending=of,
        attachment=attachment,
        no_attachment=why,
        tracked=bool(settings.app_url),
        date=datetime.now(UTC),
        # As where the web app answers: a preview asks nobody.
        opt_out=_opt_out(snapshot, base_of(settings)),
    )


def _opt_out(snapshot: "CampaignSnapshot", base: str | None) -> "OptOut":
    from outreach.mail.unsubscribe import opt_out

    return opt_out(base, snapshot.footer, in_header=snapshot.list_unsubscribe)


def _planned(store: "Store", snapshot: "CampaignSnapshot", lead: str | None) -> "PlannedMail":
    """That lead's mail, or the first pending one's. Raises Rejected."""
    if lead is None:
        first = next(store.list_mails(snapshot.id), None)
        if first is None:
            raise Rejected("The campaign has no pending lead", "name one with --lead")
        return first
    named = {"address": lead} if "@" in lead else {"lead": _lead_id(lead)}
    found = next(store.list_mails(snapshot.id, every=True, **named), None)
    if found is None:
        raise Rejected(
            f"The campaign has no lead {lead}",
            f"{commands.list_leads(snapshot.id)} shows them",
        )
    return found


def _is_lead(store: "Store", snapshot: "CampaignSnapshot", address: str) -> bool:
    """Of the campaign, or of its chain."""
    chain = {snapshot.id, *(link.id for link in snapshot.chain)}
    return any(
        next(store.list_mails(campaign, every=True, address=address), None) is not None
        for campaign in chain
    )


def _lead_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(f"{text!r} is no lead", "give its address or its id") from None


def _attachment(settings: "Settings", snapshot: "CampaignSnapshot") -> "Attachment | None":
    """The campaign's attachment; None without one. Raises AttachmentMissing."""
    from outreach.delivery import attachments

    return attachments.load(settings.attachment_pdf, snapshot.attachment)


# --- as files, as pages -----------------------------------------------------------------------


def _write(shown: "Shown", campaign: UUID, out: Path, *, as_json: bool) -> None:
    from outreach.web import folder

    written, problems = folder.write(shown, out), len(shown.wrong)
    if as_json:
        show_json(
            {
                "id": str(campaign),
                "folder": str(out),
                "leads": len(shown.previews),
                "mails": written,
                "problems": problems,
            }
        )
    else:
        say(str(out / "index.html"))
        note(
            f"{written} mail(s) of {len(shown.previews)} lead(s), of {shown.pending:,}; "
            f"{problems} with a problem."
        )


def _serve(shown: "Shown", port: int, *, browser: bool, as_json: bool) -> None:
    from outreach.web import app

    def announce(url: str) -> None:
        if as_json:
            show_json_line({"url": url})
        else:
            say(url)
            note("Nothing is sent from here. Ctrl-C ends it.")
        sys.stdout.flush()

    app.serve(shown, port, announce, browser=browser)


# --- a test -----------------------------------------------------------------------------------


def _own_address(text: str) -> str:
    from outreach.mail.addresses import is_valid, normalise

    address = normalise(text)
    if not is_valid(address):
        raise Rejected(f"{text!r} is not a mail address", "give one of your own with --to")
    return address


def _sender(store: "Store", planned: "PlannedMail", wanted: str | None) -> "Account":
    """The lead's own account, or the `wanted` one, if it can send. Raises Rejected."""
    from outreach.mail.addresses import mailbox_key

    for account in store.list_accounts():
        own = planned.sender is not None and account.id == planned.sender.id
        if own if wanted is None else mailbox_key(account.email) == mailbox_key(wanted):
            return _usable(account)
    if wanted is None:
        raise Rejected("The lead has no account of this campaign", "name one with --account")
    raise Rejected(
        f"There is no account {wanted}", f"{commands.LIST_ACCOUNTS} shows those that exist"
    )


def _usable(account: "Account") -> "Account":
    if account.status != "active":
        reason = account.status_reason or "reconnect the account"
        raise Rejected(f"{account.email} cannot send: {reason}")
    if account.paused_seconds:
        from outreach.campaign.durations import format_duration

        why = f"since {account.rest_reason}" if account.rest_reason else "as Gmail asked"
        raise Rejected(
            f"{account.email} rests for {format_duration(account.paused_seconds)} more, {why}",
            "try later, or name another with --account",
        )
    return account

"""Mails that left, without Prefect: a campaign of a few leads, sent through the sandbox."""

import base64
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from outreach.campaign.models import Claim, Outcome
from outreach.delivery.following import Look
from outreach.delivery.sender import Sending
from outreach.mail.compose import compose
from outreach.mail.content import Content, content
from outreach.mail.mime import Mail
from outreach.mail.unsubscribe import OptOut
from outreach.mailboxes.now import read_now, read_whole
from outreach.mailboxes.reader import ReadMailbox
from outreach.wiring import Services

ADA = "ada@ours.example"


class Mailed:
    """Campaigns that were sent, and what comes back to them."""

    def __init__(self, services: Services, gmail: httpx.Client) -> None:
        self.services = services
        self.store = services.store
        self.gmail = gmail
        self.stopped = False
        """What the runs are told."""

    def campaign(
        self,
        *emails: str,
        sender: str = ADA,
        scopes: str = "modify",
        owner: UUID | None = None,
        expected: str = "sent",
        subject: str = "A deck",
    ) -> UUID:
        """Send one to these addresses; returns its id."""
        tag = uuid4().hex
        rows = [
            {
                "email": email,
                "name": "Jo",
                "company": email,
                "email_subject": subject,
                "email_template": "<p>Hi</p>",
            }
            for email in emails
        ]
        self.store.import_leads(rows, tag=tag, owner=owner)
        self.store.save_account(
            uuid4(), sender, refresh_token=f"sandbox:{sender}:{scopes}", owner=owner
        )
        campaign = uuid4()
        self.store.create_campaign(campaign, "Spring", [sender], tag=tag, owner=owner)
        self.store.start_campaign(campaign)
        assert {outcome.kind for outcome in self.send(campaign)} <= {expected}
        return campaign

    def send(self, campaign: UUID) -> list[Outcome]:
        """Send what is due; returns what became of each lead."""
        run = uuid4()
        sending = self.sending(campaign, run)
        claims = self.store.claim_leads(uuid4(), campaign, run, 100).claims
        outcomes = [sending.send(claim) for claim in claims]
        self.store.finish_run(campaign, run, None, None)
        return outcomes

    def sending(self, campaign: UUID, run: UUID) -> Sending:
        """Of a run that is begun."""
        self.store.begin_run(campaign, run, 60)
        return Sending(
            store=self.store,
            mailer=self.services.mailer,
            settings=self.services.settings,
            run=run,
            build=_mail,
            wait=lambda _: self.stopped,
            in_flight=lambda: nullcontext(True),
            look=Look(
                self.services.mailer,
                self.store.mailboxes,
                lambda account: read_whole(self.store, self.services.inbox, account),
            ),
        )

    def mails(self, email: str) -> list[str]:
        """Gmail's ids of the mails to an address, the oldest first."""
        sent = self.gmail.get("/sandbox/mails").json()
        return [mail["id"] for mail in sent if email in mail["to"]]

    def back(self, kind: str, email: str, **wishes: Any) -> None:
        """An answer of this kind to the last mail to the address."""
        body = {"kind": kind, "mail": self.mails(email)[-1], **wishes}
        assert self.gmail.post("/sandbox/inbound", json=body).is_success

    def receive(self, raw: bytes, account: str = ADA) -> None:
        """Any mail."""
        body = {"account": account, "raw": base64.b64encode(raw).decode()}
        assert self.gmail.post("/sandbox/inbound", json=body).is_success

    def read(self, address: str = ADA) -> ReadMailbox:
        """Read the mailbox now, whatever was read when."""
        [reading] = read_now(self.store, self.services.inbox, address=address)
        return reading

    def replies(self, campaign: UUID) -> list[tuple[str | None, str, str]]:
        """What came back to it: address, kind, verdict."""
        return sorted(
            (one.email, one.kind, one.verdict) for one in self.store.mailboxes.replies(campaign)
        )

    def suppressed(self) -> set[tuple[str, str, UUID | None]]:
        return {(one.key, one.cause, one.owner) for one in self.store.list_suppressions()}


def _mail(claim: Claim, search_token: str) -> tuple[Mail, Content]:
    composed = compose(
        claim,
        sender=claim.sender,
        attachment=None,
        pixel_url="https://app.example/p.png",
        search_token=search_token,
        date=datetime.now(UTC),
        opt_out=OptOut(base="https://app.example", in_header=True),
        reply=claim.reply,
    )
    return composed.mail, content(claim, composed, None, own=claim.own_text)

"""Sends one lead's mail to an address of the operator's, as a test.

The only mail that leaves without a record, because it is not sent to the lead. It carries no pixel.
Its draft carries the header by which the dispatcher's sweep finds drafts of dead senders.
"""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from outreach.campaign.models import Account, Lead, Sender, Sent
from outreach.campaign.snapshot import PlannedMail
from outreach.delivery.mailer import Mailer
from outreach.errors import Rejected, SendUnclear
from outreach.mail.compose import compose
from outreach.mail.mime import Attachment, Mail
from outreach.mail.unsubscribe import OptOut

MARK = "[Test] "
HEADER = b"X-Outreach-Test: yes\r\n"


class Trial(NamedTuple):
    sent: Sent
    search_token: str
    """A word in the mail by which the mailbox that gets it finds it."""


def send_trial(
    mailer: Mailer,
    planned: PlannedMail,
    account: Account,
    to: str,
    attachment: Attachment | None,
    opt_out: OptOut,
    canary: str | None = None,
) -> Trial:
    """Post it once, from `account`, marked in its subject and with a header of its own.

    That of a follow-up stands alone: in the thread of a lead it would look like a mail that the
    account's owner wrote there. Its links to unsubscribe carry the `canary`: they work as those of
    the campaign, and unsubscribe nobody.

    Raises LeadError when the lead's mail cannot be made, the errors of the Mailer, and Rejected
    when it is unknown whether it left.
    """
    token = f"o{uuid4().hex}"
    mail = Mail(HEADER, *_composed(planned, account, to, attachment, token, opt_out, canary))
    return Trial(_post(mailer, account.id, mail, token), token)


def _composed(
    planned: PlannedMail,
    account: Account,
    to: str,
    attachment: Attachment | None,
    token: str,
    opt_out: OptOut,
    canary: str | None,
) -> Mail:
    sender = Sender(
        id=account.id, email=account.email, name=account.sender_name, reply_to=account.reply_to
    )
    return compose(
        planned,
        sender=sender,
        attachment=attachment,
        pixel_url=None,
        search_token=token,
        date=datetime.now(UTC),
        opt_out=opt_out,
        to=Lead(email=to),
        opt_out_token=canary,
        answers=planned.answers,
        mark=MARK,
    ).mail


def _post(mailer: Mailer, account: UUID, mail: Mail, token: str) -> Sent:
    prepared = mailer.prepare(account, mail, token)
    try:
        return mailer.commit(prepared)
    except SendUnclear:
        raise Rejected(
            "Gmail's answer was lost, so the test may have been sent",
            "look into your inbox, then try again",
        ) from None
    except Exception:
        mailer.discard(prepared)
        raise

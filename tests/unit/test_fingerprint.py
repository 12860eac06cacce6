"""Whether two mails are the same to their recipient: what a draft of an earlier attempt is asked."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from outreach.campaign.models import Claim, Company, Lead, ReplyTo, Sender
from outreach.mail.compose import Composed, compose
from outreach.mail.mime import Attachment
from outreach.mail.unsubscribe import OptOut

SENDER = Sender(id=uuid4(), email="ada@us.test", name="Ada", reply_to=None)
LEAD = Lead(email="jo@acme.test", name="Jo")
COMPANY = Company(name="Acme", email_subject="Hello", email_template="Hi {{ name }}")
WEB = OptOut(base="https://app.test", in_header=True)


def made(**changed: Any) -> Composed:
    given = {"sender": SENDER, "lead": LEAD, "company": COMPANY, **changed}
    claim = Claim(
        id=uuid4(), token=uuid4(), wait_seconds=0,
        sender=given.pop("sender"), lead=given.pop("lead"), company=given.pop("company"),
    )  # fmt: skip
    values = {
        "attachment": None, "pixel_url": None, "search_token": "o7",
        "date": datetime(2027, 1, 4, tzinfo=UTC), "opt_out": WEB, **given,
    }  # fmt: skip
    return compose(claim, sender=claim.sender, **values)


def test_date_and_ids_make_no_difference() -> None:
    """They differ in the bytes, whenever it is made."""
    one, other = made(), made(date=datetime(2027, 1, 5, tzinfo=UTC))
    assert bytes(one.mail) != bytes(other.mail)
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"lead": LEAD.model_copy(update={"email": "corrected@acme.test"})},
        {"lead": LEAD.model_copy(update={"name": "Joanna"})},
        {"company": COMPANY.model_copy(update={"email_subject": "Good day"})},
        {"company": COMPANY.model_copy(update={"email_template": "Dear {{ name }}"})},
        {"sender": SENDER.model_copy(update={"name": "Ada Lovelace"})},
        {"sender": SENDER.model_copy(update={"email": "grace@us.test"})},
        {"sender": SENDER.model_copy(update={"reply_to": "office@us.test"})},
        {"attachment": Attachment.from_bytes("deck.pdf", b"1")},
        {"pixel_url": "https://app.test/p.png"},
        {"opt_out": WEB._replace(footer="Unsubscribe: {{ unsubscribe_url }}")},
        {"opt_out": WEB._replace(in_header=False)},
        {"opt_out": WEB._replace(base="https://other.test")},
        {"reply": ReplyTo(thread_id="t1", subject="Re: Hello", message_id="<a@us.test>")},
    ],
)
def test_all_else_does(changed: dict[str, Any]) -> None:
    assert made(**changed).fingerprint != made().fingerprint


@pytest.mark.parametrize("file", [("deck.pdf", b"2"), ("offer.pdf", b"1")])
def test_another_file_does(file: tuple[str, bytes]) -> None:
    before = made(attachment=Attachment.from_bytes("deck.pdf", b"1"))
    assert made(attachment=Attachment.from_bytes(*file)).fingerprint != before.fingerprint

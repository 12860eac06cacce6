"""One mailbox however its address is written: in To, in the send log, among the leads seen."""

import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.campaign.models import Claim, Company, Lead, Sender
from outreach.mail.addresses import is_valid, mailbox_key, normalise
from outreach.mail.mime import build
from outreach.mail.render import Rendered
from outreach.settings import Settings
from outreach.store.store import Store

SENDER = Sender(id=UUID(int=1), email="grace@acme.example")
FULLWIDTH = {ord(c): ord(c) - 0x21 + 0xFF01 for c in "abcdefghijklmnopqrstuvwxyz0123456789"}
AROUND = ["", " ", "\t", "\u00a0", "\u200b", "\ufeff", "\u3000", "\u202a", "\u200e", "\u2003 "]

locals_ = st.text("abzäéñ1._+-", min_size=1, max_size=12).filter(
    lambda local: all(local.split("."))
)
labels = st.text("abzäéñßжあ漢1", min_size=1, max_size=12).filter(
    lambda label: is_valid(f"x@{label}.example")
)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """A mailbox, and another way to write its address."""
    local, domain = draw(locals_), f"{draw(labels)}.example"
    other = draw(
        st.sampled_from(
            [
                domain,
                domain.upper() if "ß" not in domain else domain,
                normalise(f"x@{domain}").partition("@")[2],
                normalise(f"x@{domain}").partition("@")[2].upper(),
                domain.translate(FULLWIDTH),
                domain.replace(".", "。"),
                domain.replace(".", "\u00ad."),
            ]
        )
    )
    written = f"{draw(st.sampled_from([local, local.upper()]))}@{other}"
    form: Any = draw(st.sampled_from(["NFC", "NFD"]))
    around = draw(st.sampled_from(AROUND)), draw(st.sampled_from(AROUND))
    return f"{local}@{domain}", f"{around[0]}{unicodedata.normalize(form, written)}{around[1]}"


@settings(deadline=None)
@given(spellings())
def test_every_spelling_of_a_mailbox_is_one_address(pair: tuple[str, str]) -> None:
    """And what is in that form already stays as it is."""
    one, other = pair
    assert mailbox_key(other) == mailbox_key(one)
    assert is_valid(normalise(other))
    assert normalise(normalise(other)) == normalise(other)


class Log:
    """Keeps what the database would be asked to write."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def call(self, _function: str, **arguments: Any) -> list[dict[str, Any]]:
        self.addresses.append(arguments["mail_address"])
        return [{"answer": "go", "budget_seconds": 1.0}]

    def close(self) -> None: ...


@settings(deadline=None)
@given(spellings())
def test_the_address_in_to_is_the_one_in_the_log(pair: tuple[str, str]) -> None:
    lead = Lead(email=pair[1].strip("\t"))
    claim = Claim(
        id=uuid4(), token=uuid4(), wait_seconds=0, sender=SENDER, lead=lead, company=Company()
    )
    log = Log()
    store = Store(log, Settings.only())

    store.begin_attempt(uuid4(), claim, uuid4(), "token", None, None)
    store.defer_lead(uuid4(), claim, uuid4(), "later", None)

    mail = build(
        Rendered(subject="-", html="-", text="-"),
        sender=SENDER, to=lead, attachment=None, search_token="t", date=datetime.now(UTC),
    )  # fmt: skip
    to = next(x for x in bytes(mail).decode().split("\r\n") if x.startswith("To: "))
    assert log.addresses == [to.removeprefix("To: ")] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x@straße.example", "x@strasse.example"),
        ("x.y@acme.example", "xy@acme.example"),
        ("x@acme.example", "x@mail.acme.example"),
    ],
)
def test_two_mailboxes_stay_two(one: str, other: str) -> None:
    assert mailbox_key(one) != mailbox_key(other)

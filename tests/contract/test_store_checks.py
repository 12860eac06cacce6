"""What the Store knows of a campaign before it starts, through the Store alone."""

from datetime import time
from uuid import UUID, uuid4

import pytest

from outreach.errors import CampaignNotFound
from outreach.models import Company, Lead, LeadCounts, Sender
from outreach.store import Store

HOUR = 3600.0
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]
ROWS = [
    {
        "email": "bob@acme.test", "name": "Bob", "role": "CEO", "company": "Acme", "domain": "acme.test",
        "email_subject": "Hello", "email_template": "Hi {name}", "custom_fields": {"city": "Köln"},
    },
    {"email": "eve@acme.test", "domain": "acme.test"},
    {"email": "zed@other.test"},
]  # fmt: skip


@pytest.fixture
def account(store: Store) -> UUID:
    return store.save_account(uuid4(), "ann@us.test", refresh_token="t", sender_name="Ann")


def new_campaign(store: Store) -> UUID:
    """A draft with the three leads, and a window that is open at any time."""
    store.import_leads(ROWS, "spring")
    made = uuid4()
    store.create_campaign(
        made, "Spring", ["ann@us.test"], tag="spring", attachment="", time_zone="Europe/Berlin",
        days=EVERY_DAY, day_from=time(0), day_until=time.max,
    )  # fmt: skip
    return made


def mail_one(store: Store, campaign: UUID) -> str:
    """Send the first lead's mail; its address."""
    run = uuid4()
    store.start_campaign(campaign)
    store.begin_run(campaign, run, 60)
    (claim,) = store.claim_leads(uuid4(), campaign, run, 1).claims
    attempt = uuid4()
    store.begin_attempt(attempt, claim, run, "o1", "d1", "t1")
    store.record_outcome(attempt, "sent", message_id="m1", thread_id="t1")
    return claim.lead.email


def test_the_facts_of_a_campaign_are_its_own_and_its_accounts(store: Store, account: UUID) -> None:
    """What each account has to mail, and has mailed in the last day, by the hour."""
    campaign = new_campaign(store)
    before = store.campaign_facts(campaign)
    mail_one(store, campaign)

    after = store.campaign_facts(campaign)

    assert (before.name, before.status, before.paused, before.wait_seconds) == (
        "Spring", "draft", False, 0,
    )  # fmt: skip
    assert (before.attachment, before.time_zone, before.send_days) == (
        "",
        "Europe/Berlin",
        EVERY_DAY,
    )
    assert (before.send_from, before.send_until) == (time(0), time.max)
    assert (before.leads, after.leads) == (LeadCounts(pending=3), LeadCounts(pending=2, sent=1))
    assert [
        (a.id, a.email, a.sender_name, a.connected, a.leads, a.sent_today, a.sent_by_hour)
        for facts in (before, after)
        for a in facts.accounts
    ] == [
        (account, "ann@us.test", "Ann", True, 3, 0, [0] * 24),
        (account, "ann@us.test", "Ann", True, 2, 1, [1] + [0] * 23),
    ]
    assert after.misassigned == 0
    with pytest.raises(CampaignNotFound):
        store.campaign_facts(uuid4())


def test_each_lead_is_listed_with_all_that_its_mail_needs(store: Store, account: UUID) -> None:
    """The company too, whether it is the lead's own row that brought it or another's."""
    campaign = new_campaign(store)

    mails = {mail.lead.email: mail for mail in store.list_mails(campaign)}

    sender = Sender(id=account, email="ann@us.test", name="Ann")
    acme = Company(
        name="Acme", domain="acme.test", email_subject="Hello", email_template="Hi {name}"
    )
    assert {
        email: (mail.sender, mail.lead, mail.company, mail.missing) for email, mail in mails.items()
    } == {
        "bob@acme.test": (
            sender,
            Lead(email="bob@acme.test", name="Bob", role="CEO", custom_fields={"city": "Köln"}),
            acme,
            None,
        ),
        "eve@acme.test": (sender, Lead(email="eve@acme.test"), acme, None),
        "zed@other.test": (sender, Lead(email="zed@other.test"), Company(), None),
    }


@pytest.mark.parametrize("filled", [True, False])
def test_whether_a_subject_is_filled_comes_with_each_lead(
    store: Store, account: UUID, *, filled: bool
) -> None:
    """To whoever looks at its mail, and to whoever sends it."""
    assert account
    store.import_leads(ROWS, "spring")
    made, run = uuid4(), uuid4()
    store.create_campaign(made, "Spring", ["ann@us.test"], tag="spring", subject_variables=filled)
    store.start_campaign(made)
    store.begin_run(made, run, 60)
    claims = store.claim_leads(uuid4(), made, run, 3).claims

    assert {mail.subject_variables for mail in store.list_mails(made)} == {filled}
    assert {claim.subject_variables for claim in claims} == {filled}
    assert store.campaign_facts(made).subject_variables is filled


def test_one_lead_is_found_by_its_address_or_its_id(store: Store, account: UUID) -> None:
    """Whatever the case; nobody's is nobody."""
    assert account
    campaign = new_campaign(store)
    (bob,) = store.list_mails(campaign, address=" BOB@acme.test")

    assert [mail.id for mail in store.list_mails(campaign, lead=bob.id)] == [bob.id]
    assert list(store.list_mails(campaign, address="x@acme.test")) == []
    assert list(store.list_mails(campaign, lead=uuid4())) == []


def test_who_was_mailed_by_another_campaign_is_told_within_the_cooldown(
    store: Store, account: UUID
) -> None:
    """And by no other; `every` lists those that are not pending, too."""
    assert account
    other, campaign = new_campaign(store), new_campaign(store)
    mailed = mail_one(store, other)

    def recently(seconds: float) -> list[str]:
        mails = store.list_mails(campaign, cooldown_seconds=seconds)
        return [mail.lead.email for mail in mails if mail.mailed_seconds_ago is not None]

    assert (recently(HOUR), recently(0)) == ([mailed], [])
    assert len(list(store.list_mails(other))) == 2
    assert {mail.status for mail in store.list_mails(other, every=True)} == {"pending", "sent"}

"""What the Store knows of a campaign before it starts, through the Store alone."""

from datetime import date, time
from math import inf, nan
from uuid import UUID, uuid4

import psycopg
import pytest

from outreach.campaign.models import Company, Lead, LeadCounts, Sender
from outreach.errors import CampaignNotFound, Rejected
from outreach.store.store import Store

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
        days=EVERY_DAY, day_from=time(0), day_until=time.max, skip_dates=[date(2126, 12, 24)],
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
    assert before.skip_dates == [date(2126, 12, 24)]
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


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ('{"x": 1e5000}', "hold a number that nothing can count, such as 1e5000"),
        ('{"x": ' + "[" * 1_000 + "1" + "]" * 1_000 + "}", "hold lists in lists, more than 100 deep"),
    ],
    ids=["a number", "levels"],
)  # fmt: skip
def test_fields_that_nobody_can_read_fail_their_lead_alone(
    store: Store, account: UUID, db: psycopg.Connection, fields: str, why: str
) -> None:
    """Neither transport's reader of JSON meets them: not in a look, not in a claim."""
    assert account
    campaign, run = new_campaign(store), uuid4()
    db.execute("update leads set custom_fields = %s::jsonb where email like 'eve%%'", (fields,))
    looked_at = {mail.lead.email: mail.lead.unreadable for mail in store.list_mails(campaign)}
    store.start_campaign(campaign)
    store.begin_run(campaign, run, 60)
    claimed = store.claim_leads(uuid4(), campaign, run, 10).claims

    assert looked_at == {"bob@acme.test": None, "eve@acme.test": why, "zed@other.test": None}
    assert sorted(claim.lead.email for claim in claimed) == ["bob@acme.test", "zed@other.test"]
    (failed,) = store.list_campaign_leads(campaign, "failed")
    assert failed.error == f"The lead's custom fields {why}; correct them, then retry it"


def test_what_people_are_shown_of_a_row_is_short_and_a_pace_is_a_number(
    store: Store, account: UUID, db: psycopg.Connection
) -> None:
    """Whoever wrote it there."""
    assert account
    campaign = new_campaign(store)
    db.execute("update campaigns set name = 'Spring\n' || repeat('x', 900000)")
    db.execute("update campaign_leads set status = 'failed', error = repeat('e', 900000)")
    db.execute("update accounts set pace_seconds = 'NaN', status_reason = repeat('r', 900000)")
    (shown,) = store.list_accounts()

    assert len(store.campaign_status(campaign).name) == 200
    assert store.campaign_facts(campaign).name[:9] == "Spring xx"
    assert {len(lead.error or "") for lead in store.list_campaign_leads(campaign)} == {1_000}
    assert [len(one.reason) for one in store.failure_reasons(campaign)] == [1_000]
    assert (shown.pace_seconds, len(shown.status_reason or "")) == (86_400, 1_000)
    assert store.check_campaign(campaign).pace_seconds == [86_400]
    assert store.campaign_progress(campaign).accounts[0].pace_seconds == 86_400


@pytest.mark.parametrize("pace", [nan, inf, -1.0, 86_401.0])
def test_a_pace_that_nothing_can_keep_is_refused(store: Store, pace: float) -> None:
    """By whatever calls the Store."""
    with pytest.raises(Rejected, match="A pace is a number of seconds from 0 to 86400"):
        store.save_account(uuid4(), "ann@us.test", pace_seconds=pace)


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 201, "x" * 1_000_000])
def test_a_name_that_no_list_can_show_is_refused(store: Store, account: UUID, name: str) -> None:
    """The same; and nothing is left behind."""
    assert account
    with pytest.raises(Rejected, match="A campaign needs a name of one line"):
        store.create_campaign(uuid4(), name, ["ann@us.test"], tag="spring")
    if name.strip():
        with pytest.raises(Rejected, match="The sender's name may not"):
            store.save_account(uuid4(), "ann@us.test", sender_name=name)
    assert list(store.list_campaigns()) == []

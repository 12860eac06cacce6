"""create_campaign, start_campaign, cancel_campaign, and what shows a campaign."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

NOTHING_BACK = dict.fromkeys(
    ("replied_at", "bounced_at", "bounce", "bounce_status", "away_at", "back_on", "unsubscribed_at")
)
NOTHING = {"pending": 0, "sent": 0, "failed": 0, "cancelled": 0}


def create(build: Any, campaign: UUID | None = None, **more: Any) -> Any:
    arguments = {"campaign_name": "Spring", "account_addresses": ["ann@us.test"], **more}
    return build.sql.create_campaign(campaign=campaign or uuid4(), **arguments)


# --- create ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "subject", "filled"),
    [
        ({}, "{{ name }}, a deck", False),
        ({"subject_variables": False}, "{{ name }}, a deck", False),
        ({"subject_variables": True}, "A deck", True),
        ({"subject_variables": None}, "{{ name }}, a deck", True),
        ({"subject_variables": None}, "A deck for {First Name}", True),
        ({"subject_variables": None}, "{% if name %}You{% endif %}", True),
        ({"subject_variables": None}, "{Quick|Short} question {}", False),
        ({"subject_variables": None}, None, False),
    ],
)
def test_subjects_are_filled_where_that_is_asked_for(
    build: Any, asked: dict[str, bool | None], subject: str | None, *, filled: bool
) -> None:
    """By default they are not, as the web app means them; null asks the subjects themselves."""
    build.account()
    mine, other = (build.insert("companies", email_subject=x) for x in (subject, "{{ x }}"))
    build.lead(tag="spring", company_id=mine)
    build.lead(tag="autumn", company_id=other)
    made = [create(build, lead_tag="spring", **asked, campaign=UUID(int=7)) for _ in range(2)]
    assert [one["subject_variables"] for one in made] == [filled] * 2
    assert build.fields("campaigns", UUID(int=7), "subject_variables") == (filled,)


def test_a_campaign_by_tag_is_a_draft_with_every_lead_of_that_tag(build: Any) -> None:
    """All that was given is on the row."""
    account, owner = build.account(), None
    tagged = [build.lead(tag="spring") for _ in range(2)]
    build.lead(tag="autumn")
    made = create(
        build, campaign := uuid4(), lead_tag="spring", starts_at="2027-01-01T00:00:00Z", owner=owner,
        attachment_name="deck.pdf", zone="Europe/Berlin", days=[1, 5], day_from=time(9), day_until=time(17),
    )  # fmt: skip
    assert made == {
        "answer": "created",
        "id": str(campaign),
        "leads": 2,
        "subject_variables": False,
        "skipped": [],
    }
    names = (
        "name",
        "status",
        "scheduled_at",
        "attachment",
        "time_zone",
        "send_days",
        "send_from",
        "send_until",
    )
    assert build.fields("campaigns", campaign, *names) == (
        "Spring", "draft", "2027-01-01T00:00:00+00:00", "deck.pdf", "Europe/Berlin", [1, 5],
        "09:00:00", "17:00:00",
    )  # fmt: skip
    rows = build.db.execute(
        "select lead_id, status, assigned_account_id from campaign_leads order by lead_id"
    ).fetchall()
    assert rows == [(lead, "pending", account) for lead in sorted(tagged)]
    assert build.db.execute("select * from campaign_accounts").fetchall() == [(campaign, account)]


@pytest.mark.parametrize("given", ["ACME", "acme.TEST", "{id}"])
def test_companies_are_known_by_name_domain_or_id(build: Any, given: str) -> None:
    """In any case."""
    build.account()
    acme = build.company("Acme", domain="acme.test")
    other = build.company("Other", domain="other.test")
    for company in (acme, other):
        build.lead(company_id=company)
    made = create(build, company_names=[given.format(id=acme)])
    assert (made["answer"], made["leads"]) == ("created", 1)


def test_a_tag_and_companies_select_what_is_in_both(build: Any) -> None:
    """Narrower, not wider."""
    build.account()
    acme = build.company("Acme")
    build.lead(company_id=acme, tag="spring")
    build.lead(company_id=acme)
    build.lead(tag="spring")
    assert create(build, lead_tag="spring", company_names=["Acme"])["leads"] == 1


def test_leads_beyond_a_page_of_postgrest_are_all_taken_and_evenly_shared(build: Any) -> None:
    """2,503 leads over three accounts."""
    accounts = [build.account(f"{name}@us.test") for name in "abc"]
    build.db.execute(
        "insert into leads (email, tag) select n || '@acme.test', 'x' from generate_series(1, 2503) n"
    )
    made = create(build, lead_tag="x", account_addresses=["A@us.test", "b@us.test", "c@us.test"])
    shares = Counter(
        row[0] for row in build.db.execute("select assigned_account_id from campaign_leads")
    )
    assert (made["leads"], set(shares), sorted(shares.values())) == (
        2503,
        set(accounts),
        [834, 834, 835],
    )


def test_an_address_is_taken_once_and_the_others_are_reported(build: Any) -> None:
    """Whatever its case and the spaces around it."""
    build.account()
    for email in ("Bob@acme.test", " bob@ACME.test", "eve@acme.test"):
        build.lead(email, tag="x")
    made = create(build, lead_tag="x")
    assert (made["leads"], [s.strip().lower() for s in made["skipped"]]) == (2, ["bob@acme.test"])


def test_leads_without_an_address_come_along_to_fail_with_that_reason(build: Any) -> None:
    """Each of them: none hides behind another, and none is reported as the same as another."""
    build.account()
    build.db.execute("alter table leads alter email drop not null")
    build.lead("  ", tag="x")
    for _ in range(2):
        build.insert("leads", email=None, tag="x")
    made = create(build, lead_tag="x")
    assert (made["leads"], made["skipped"]) == (3, [])


def test_creating_again_gives_the_same_answer_and_changes_nothing(build: Any) -> None:
    """Also when other leads got the tag in the meantime."""
    build.account()
    for email in ("bob@acme.test", "BOB@acme.test"):
        build.lead(email, tag="x")
    first = create(build, campaign := uuid4(), lead_tag="x")
    build.lead("new@acme.test", tag="x")
    before = build.everything()
    assert (create(build, campaign, lead_tag="x"), build.everything()) == (first, before)


def test_creating_again_while_the_first_call_is_at_it_adds_no_lead_twice(
    build: Any, another: Callable[[], Any]
) -> None:
    """The connection broke, the server went on."""
    build.account()
    build.lead(tag="x")
    campaign, one, two = uuid4(), another(), another()
    arguments: dict[str, Any] = {
        "campaign": campaign, "campaign_name": "Spring", "account_addresses": ["ann@us.test"], "lead_tag": "x",
    }  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        with one.db.transaction():
            first = one.create_campaign(**arguments)
            second = pool.submit(two.create_campaign, **arguments)
            build.until_blocked()
        assert (first["leads"], second.result(10)["leads"]) == (1, 1)


@pytest.mark.parametrize(
    ("more", "reason", "remedy"),
    [
        ({"lead_tag": "none"}, "No lead matches tag 'none'.", "import_leads"),
        ({"company_names": ["Empty"]}, "No lead belongs to these companies.", "import_leads"),
        (
            {"company_names": ["Acme", "Nix", "Nada"]},
            "There is no company Nix, Nada; its name, domain or id is needed.",
            None,
        ),
        (
            {"lead_tag": "x", "account_addresses": ["ann@us.test", "eve@us.test"]},
            "There is no account eve@us.test.",
            "add_account",
        ),
        (
            {"lead_tag": "x", "account_addresses": ["gone@us.test"]},
            "There is no account gone@us.test.",
            "add_account",
        ),
        (
            {"lead_tag": "x", "account_addresses": []},
            "A campaign needs at least one account; name one with --account.",
            None,
        ),
        *(
            (
                {"lead_tag": "x", "zone": zone},
                f"'{zone}' is no time zone; write one like Europe/Berlin or America/New_York.",
                None,
            )
            for zone in (
                *("Berlin", "europe/berlin", "Europe", "../passwd", "FOO5", "", "localtime"),
                *("posixrules", "Factory", "right/Europe/Berlin", "posix/Europe/Berlin"),
            )
        ),
        *(
            (
                {"lead_tag": "x", **window},
                "The campaign's sending window never opens; its hours have to end after they begin.",
                None,
            )
            for window in (
                {"days": []},
                {"day_from": time(17), "day_until": time(9)},
                {"day_from": time(9), "day_until": time(9), "zone": "UTC"},
            )
        ),
    ],
)
def test_what_cannot_be_made_is_rejected_and_leaves_nothing_behind(
    build: Any, more: dict[str, Any], reason: str, remedy: str | None
) -> None:
    """All or nothing, and what to do about it, or the name of that."""
    build.account()
    build.account("gone@us.test", status="removed")
    build.company("Empty")
    build.lead(tag="x", company_id=build.company("Acme"))
    before = build.everything()
    answer = create(build, **more)
    named = {} if remedy is None else {"remedy": remedy}
    assert (answer, build.everything()) == (
        {"answer": "rejected", "reason": reason, **named}, before,
    )  # fmt: skip


def test_nothing_selected_is_no_lead_at_all(build: Any) -> None:
    """Neither tag nor company never means everybody."""
    build.account()
    build.lead()
    assert create(build)["answer"] == "rejected"


def test_an_owner_sees_only_what_is_his(build: Any) -> None:
    """Accounts, companies and leads of others are not there."""
    mine, other = uuid4(), uuid4()
    for owner in (mine, other):
        account = build.account(user_id=owner)
        company = build.company(user_id=owner)
        build.lead(tag="x", user_id=owner, company_id=company)
        if owner == mine:
            expected = (mine, account)
    create(build, campaign := uuid4(), lead_tag="x", company_names=["Acme"], owner=mine)
    found = build.db.execute(
        "select c.user_id, cl.assigned_account_id from campaigns c"
        " join campaign_leads cl on cl.campaign_id = c.id where c.id = %s",
        (campaign,),
    ).fetchall()
    assert found == [expected]


def test_two_rows_of_one_address_are_one_account(build: Any) -> None:
    """Two would be one mailbox at twice its pace."""
    build.account(user_id=uuid4())
    build.account(user_id=uuid4())
    build.lead(tag="x")
    create(build, lead_tag="x")
    assert build.db.execute("select count(*) from campaign_accounts").fetchone() == (1,)


# --- start ----------------------------------------------------------------------------------------


def test_a_draft_whose_time_is_to_come_is_scheduled(build: Any, call: Any, t0: Any) -> None:
    """The wait is a duration."""
    campaign = build.campaign(status="draft", scheduled_at=t0)
    answer = call.start_campaign(campaign=campaign, at=-300)
    assert (answer, build.fields("campaigns", campaign, "status")) == (
        {"answer": "scheduled", "wait_seconds": 300},
        ("scheduled",),
    )


@pytest.mark.parametrize("scheduled_at", [None, "2020-01-01"])
def test_a_draft_that_is_due_runs(build: Any, call: Any, scheduled_at: str | None) -> None:
    """A run has to begin it."""
    campaign = build.campaign(status="draft", scheduled_at=scheduled_at)
    answer = call.start_campaign(campaign=campaign, at=0)
    assert (answer, build.fields("campaigns", campaign, "status", "run_id")) == (
        {"answer": "running"},
        ("running", None),
    )


@pytest.mark.parametrize("status", ["scheduled", "running", "completed", "error", "cancelled"])
def test_what_was_started_before_is_told_as_it_is(build: Any, call: Any, status: str) -> None:
    """Asked again, nothing changes."""
    campaign = build.campaign(build.account(), leads=1, status=status)
    before = build.everything()
    answer = call.start_campaign(campaign=campaign, at=0)
    assert (answer, build.everything()) == (
        {"answer": "already", "status": status, "owned": False, "paused": False, "pending": True},
        before,
    )


def test_a_campaign_with_a_live_run_is_owned(build: Any, call: Any) -> None:
    """Until the lease lapses."""
    campaign = build.campaign(build.account(), leads=1)
    build.begin(campaign)
    owned = [call.start_campaign(campaign=campaign, at=at)["owned"] for at in (59, 60)]
    assert owned == [True, False]


@pytest.mark.parametrize("function", ["start_campaign", "cancel_campaign"])
def test_a_campaign_that_is_not_there_is_said_to_be_missing(call: Any, function: str) -> None:
    """Both ways."""
    assert call.call(function, campaign=uuid4()) == {"answer": "not_found"}


# --- cancel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["draft", "scheduled", "running"])
def test_cancelling_ends_the_campaign_and_its_pending_leads(
    build: Any, call: Any, status: str
) -> None:
    """Again: the same answer, nothing changed."""
    campaign = build.campaign(build.account(), leads=3, status=status)
    build.db.execute(
        "update campaign_leads set status = 'failed' where id = (select min(id::text)::uuid from campaign_leads)"
    )
    first = call.cancel_campaign(campaign=campaign, at=5)
    before = build.everything()
    again = call.cancel_campaign(campaign=campaign, at=9)
    assert (first, again, build.everything()) == (
        {"answer": "cancelled", "leads": 2},
        first,
        before,
    )
    assert build.fields("campaigns", campaign, "status", "finished_at") == (
        "cancelled",
        "2026-11-24T09:00:05+00:00",
    )
    assert build.lead_states(campaign) == {"cancelled": 2, "failed": 1}


def test_cancelling_takes_claims_back_and_leaves_mails_on_their_way_to_settling(
    build: Any, call: Any
) -> None:
    """Claimed: cancelled. Begun: pending, with its attempt open."""
    campaign = build.campaign(build.account(), leads=3)
    run = build.begin(campaign)
    attempt, lead = build.open(campaign, run)
    build.claim(campaign, run, most=1)
    call.cancel_campaign(campaign=campaign)
    assert build.lead_states(campaign) == {"cancelled": 2, "pending": 1}
    assert build.fields("campaign_leads", lead, "open_attempt_id") == (str(attempt),)
    assert build.db.execute("select count(claim_token) from campaign_leads").fetchone() == (0,)


@pytest.mark.parametrize("status", ["completed", "error"])
def test_what_has_ended_is_not_cancelled(build: Any, call: Any, status: str) -> None:
    """Its end stands."""
    campaign = build.campaign(build.account(), leads=1, status=status)
    before = build.everything()
    answer = call.cancel_campaign(campaign=campaign)
    assert (answer, build.everything()) == ({"answer": "already_ended", "status": status}, before)


# --- look -----------------------------------------------------------------------------------------


def test_the_status_tells_the_campaign_and_counts_its_leads(build: Any, call: Any) -> None:
    """What `status --json` promises is in it."""
    campaign = build.campaign(build.account(), leads=4)
    run = build.begin(campaign)
    for outcome in ("sent", "refused", "unclear"):
        build.mail(campaign, run, outcome)
    status = call.campaign_status(campaign=campaign)
    promised = ("id", "name", "status", "error", "resume_at", "leads", "flow_run_ids")
    assert {name: status[name] for name in promised} == {
        "id": str(campaign),
        "name": "Spring",
        "status": "running",
        "error": None,
        "resume_at": None,
        "leads": {"pending": 1, "sent": 1, "failed": 2, "cancelled": 0},
        "flow_run_ids": [str(run)],
    }


def test_no_campaign_has_no_status(call: Any) -> None:
    """No row, which the Store turns into CampaignNotFound."""
    assert call.campaign_status(campaign=uuid4()) is None


def test_campaigns_are_listed_page_by_page(build: Any, call: Any) -> None:
    """By key, none twice, none left out."""
    made = sorted(str(build.campaign()) for _ in range(5))
    first = [row["id"] for row in call.rows("list_campaigns", most=3)]
    second = [row["id"] for row in call.rows("list_campaigns", most=3, after=UUID(first[-1]))]
    assert first + second == made


def test_leads_are_listed_page_by_page_and_by_status(build: Any, call: Any) -> None:
    """All that `leads --json` promises; one without its rows is there too."""
    account = build.account()
    campaign = build.campaign(account, leads=["a@x.test", "b@x.test"])
    gone = build.in_campaign(campaign, None, None, status="failed", error="The lead was deleted")
    rows = call.rows("list_campaign_leads", campaign=campaign, most=2)
    rows += call.rows("list_campaign_leads", campaign=campaign, most=2, after=UUID(rows[-1]["id"]))
    failed = call.rows("list_campaign_leads", campaign=campaign, with_status="failed")
    assert sorted((r["email"] or "", r["account"]) for r in rows) == [
        ("", None),
        ("a@x.test", "ann@us.test"),
        ("b@x.test", "ann@us.test"),
    ]
    assert failed == [
        {
            "id": str(gone),
            "email": None,
            "name": None,
            "company": None,
            "role": None,
            "status": "failed",
            "account": None,
            "sent_at": None,
            "opened_at": None,
            "thread_id": None,
            "message_id": None,
            "error": "The lead was deleted",
            "failed_at": None,
            "failures": [],
            **NOTHING_BACK,
        }
    ]


def test_a_listed_lead_has_all_that_is_known_of_it(
    build: Any, call: Any, db: psycopg.Connection
) -> None:
    """For `export`, its person and company too."""
    ann = build.account("ann@us.test")
    campaign = build.campaign(ann)
    lead = build.lead("zoe@acme.test", name="Zoë", role="CEO", company_id=build.company("Acme"))
    known = build.in_campaign(campaign, lead, ann, status="failed", error="no")
    db.execute("update campaign_leads set opened_at = '2026-11-24 10:00+01' where id = %s", [known])

    row = call.list_campaign_leads(campaign=campaign)

    assert row.pop("opened_at").startswith("2026-11-24T09:00:00")
    assert row == {
        "id": str(known), "email": "zoe@acme.test", "name": "Zoë", "company": "Acme", "role": "CEO",
        "status": "failed", "account": "ann@us.test", "sent_at": None, "thread_id": None,
        "message_id": None, "error": "no", "failed_at": None, "failures": [], **NOTHING_BACK,
    }  # fmt: skip


def test_failures_are_counted_by_reason_the_most_frequent_first(build: Any, call: Any) -> None:
    """One without a reason says that."""
    account = build.account()
    campaign = build.campaign(account, leads=1)
    for error in ("b", "a", "a", None):
        build.in_campaign(campaign, build.lead(), account, status="failed", error=error)
    assert call.rows("failure_reasons", campaign=campaign) == [
        {"reason": "a", "leads": 2},
        {"reason": "b", "leads": 1},
        {"reason": "no reason recorded", "leads": 1},
    ]

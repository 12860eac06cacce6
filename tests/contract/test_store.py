"""Every method of the Store, through the Store alone: what it gives, in exactly these types."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from outreach.campaign.models import (
    CampaignLead,
    CampaignStatus,
    Claim,
    Company,
    Credentials,
    Draft,
    ExportedLead,
    Lead,
    LeadCounts,
    LeadFailure,
    ListedAccount,
    ListedLead,
    Ramp,
    Sender,
)
from outreach.errors import AccountUnusable, CampaignNotFound, Rejected
from outreach.store.remedies import remedy
from outreach.store.results import (
    AccountsByState,
    AccountSummary,
    Batch,
    Begun,
    CampaignsByState,
    Checked,
    Created,
    Finished,
    Imported,
    MailboxesByState,
    OperatingFigures,
    Reason,
)
from outreach.store.store import Store

ROW = {
    "email": "bob@acme.test", "name": "Bob", "role": "CEO", "company": "Acme", "domain": "acme.test",
    "email_subject": "Hello", "email_template": "Hi {name}", "custom_fields": {"city": "Köln", "n": 1},
}  # fmt: skip


def test_the_figures_of_an_empty_database(store: Store) -> None:
    figures = store.operating_figures()

    assert figures == OperatingFigures(
        campaigns=CampaignsByState(due=0, sending=0, waiting=0, paused=0),
        places_taken=0,
        campaign_lag_seconds=0,
        lead_lag_seconds=0,
        open_attempts=0,
        oldest_open_attempt_seconds=0,
        accounts=AccountsByState(active=0, resting=0, unusable=0),
        mailboxes=MailboxesByState(read=0, failing=0, unreadable=0),
        mailbox_age_seconds=0,
    )


@pytest.fixture
def account(store: Store) -> UUID:
    return store.save_account(uuid4(), "ann@us.test", refresh_token="t", sender_name="Ann")


@pytest.fixture
def campaign(store: Store, account: UUID) -> UUID:  # noqa: ARG001 - it sends
    """A draft with two leads."""
    store.import_leads([ROW, {"email": "eve@acme.test"}], "spring")
    made = uuid4()
    store.create_campaign(made, "Spring", ["ann@us.test"], tag="spring")
    return made


@pytest.fixture
def run(store: Store, campaign: UUID) -> UUID:
    owner = uuid4()
    store.begin_run(campaign, owner, 60)
    return owner


def claims(store: Store, campaign: UUID, run: UUID) -> list[Claim]:
    return sorted(store.claim_leads(uuid4(), campaign, run, 10).claims, key=lambda x: x.lead.email)


def begin(store: Store, claim: Claim, run: UUID, *, draft: str | None = "d1") -> UUID:
    attempt = uuid4()
    begun = store.begin_attempt(attempt, claim, run, "o1", draft, "t1")
    assert begun.answer == "go", begun
    return attempt


def by_email(
    store: Store, campaign: UUID, status: str | None = None
) -> dict[str | None, CampaignLead]:
    return {lead.email: lead for lead in store.list_campaign_leads(campaign, status)}


# --- accounts ---------------------------------------------------------------------------------


def test_an_account_is_saved_and_listed(store: Store) -> None:
    """All fields, then a change of one; the id stays."""
    account = store.save_account(
        uuid4(), "ann@us.test", refresh_token="t", sender_name="Ann", reply_to="re@us.test",
        pace_seconds=2.5, daily_limit=40, ramp=(10, 5), domain_cap=3,
    )  # fmt: skip
    again = store.save_account(uuid4(), "ANN@us.test", daily_limit=50)
    assert again == account
    assert list(store.list_accounts()) == [
        ListedAccount(
            id=account, email="ann@us.test", sender_name="Ann", reply_to="re@us.test", status="active",
            pace_seconds=2.5, daily_limit=50, sent_today=0, connected=True, pace_in_force=2.5, limit_in_force=10,
            ramp=Ramp(begin=10, step=5, days=0, limit=10), domain_cap=3,
        )
    ]  # fmt: skip


def test_credentials_are_read_and_gone_with_the_account(store: Store, account: UUID) -> None:
    """A removed account is unusable for who still holds its id."""
    found = store.read_credentials(account)
    store.remove_account("ann@us.test")
    assert found == Credentials(email="ann@us.test", refresh_token="t")
    with pytest.raises(AccountUnusable):
        store.read_credentials(account)


def test_a_removal_that_cannot_be_is_rejected(store: Store, campaign: UUID) -> None:
    """Pending leads are assigned to it, or it does not exist."""
    assert campaign
    for address, reason in (
        ("ann@us.test", "2 pending lead"),
        ("x@us.test", "There is no account x@us.test; `outreach accounts list` shows those that"),
    ):
        with pytest.raises(Rejected, match=reason):
            store.remove_account(address)


def test_an_account_is_paused_for_the_seconds_that_are_told(store: Store, account: UUID) -> None:
    """And rests for all of the project."""
    seconds = store.pause_account(account, 900.0, whole_project=True)
    paused = next(store.list_accounts()).paused_seconds
    assert seconds == pytest.approx(900, abs=1)
    assert paused == pytest.approx(900, abs=5)


def test_an_account_is_marked_unusable(store: Store, account: UUID) -> None:
    """With the reason."""
    store.mark_account_unusable(account, "access was revoked")
    listed = next(store.list_accounts())
    assert (listed.status, listed.status_reason) == ("unusable", "access was revoked")


# --- leads and campaigns --------------------------------------------------------------------------


def test_leads_are_imported_and_counted(store: Store) -> None:
    """New, known, none."""
    counted = [
        store.import_leads(rows, "spring")
        for rows in ([ROW, {"email": "eve@acme.test"}], [ROW], [])
    ]
    assert counted == [Imported(added=2, companies_added=1), Imported(updated=1), Imported()]


def test_rows_that_cannot_be_imported_are_rejected(store: Store) -> None:
    """With their number."""
    with pytest.raises(Rejected, match="Row 2 has no email address"):
        store.import_leads([ROW, {"name": "x"}], None)


def test_a_campaign_is_created_with_all_that_is_given(store: Store, account: UUID) -> None:
    """Again: the same."""
    assert account
    store.import_leads([ROW, {"email": " BOB@acme.test "}, {"email": "eve@acme.test"}], "spring")
    made, due = uuid4(), datetime.now(UTC) + timedelta(days=1)
    created = [
        store.create_campaign(
            made, "Frühling", ["ann@us.test"], tag="spring", starts_at=due,
            attachment="deck.pdf", time_zone="Europe/Berlin", days=[1, 5], day_from=time(9), day_until=time(17, 30),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert created == [Created(id=made, leads=2, skipped=[])] * 2
    found = store.campaign_status(made)
    assert found == CampaignStatus(
        id=made, name="Frühling", status="draft", leads=LeadCounts(pending=2), scheduled_at=due,
        created_at=found.created_at, accounts=["ann@us.test"],
    )  # fmt: skip
    assert store.check_campaign(made).attachment == "deck.pdf"


def test_a_campaign_of_companies_is_created(store: Store, campaign: UUID) -> None:
    """By name."""
    assert campaign
    created = store.create_campaign(uuid4(), "A", ["ann@us.test"], companies=["acme"])
    assert created.leads == 1


@pytest.mark.parametrize(
    ("accounts", "more", "sentence"),
    [
        (
            ["ann@us.test"],
            {"tag": "none"},
            "No lead matches tag 'none'; import some with `outreach leads import FILE.csv --tag none`.",
        ),
        (
            ["ann@us.test"],
            {"companies": []},
            "No lead belongs to these companies; import some with `outreach leads import FILE.csv`.",
        ),
        (
            ["eve@us.test"],
            {"tag": "none"},
            "There is no account eve@us.test; add it with `outreach accounts add`.",
        ),
        (
            [],
            {"tag": "none"},
            "A campaign needs at least one account; name one with --account.",
        ),
    ],
)
def test_a_campaign_that_cannot_be_is_rejected(
    store: Store, account: UUID, accounts: list[str], more: dict[str, Any], sentence: str
) -> None:
    """Nothing of it is left; the remedy is told with its command."""
    assert account
    with pytest.raises(Rejected) as rejected:
        store.create_campaign(uuid4(), "A", accounts, **more)
    assert str(rejected.value) == sentence
    assert list(store.list_campaigns()) == []


def test_a_lead_that_a_campaign_lacks_is_not_resolved(store: Store, campaign: UUID) -> None:
    with pytest.raises(Rejected) as rejected:
        store.resolve_lead(was_sent=True, campaign=campaign, address="eve@x.test")
    assert str(rejected.value) == (
        "The campaign has no lead eve@x.test; "
        f"`outreach campaigns leads {campaign}` shows those that it has."
    )


@pytest.mark.parametrize("name", [None, "of a newer release"])
def test_a_remedy_that_is_not_known_leaves_the_problem(name: str | None) -> None:
    assert remedy(name, {}) == ""


def test_a_campaign_is_started_and_cancelled(store: Store, campaign: UUID) -> None:
    """The answers tell what became of it."""
    answers = [
        store.start_campaign(campaign),
        store.start_campaign(campaign),
        store.cancel_campaign(campaign),
        store.cancel_campaign(campaign),
    ]
    cancelled = {"answer": "cancelled", "leads": 2}
    assert answers == [
        {"answer": "running"},
        {
            "answer": "already",
            "status": "running",
            "owned": False,
            "paused": False,
            "pending": True,
        },
        cancelled,
        cancelled,
    ]


def test_a_campaign_of_later_is_scheduled(store: Store, campaign: UUID) -> None:
    """The wait in seconds."""
    made = uuid4()
    assert campaign
    store.create_campaign(
        made, "A", ["ann@us.test"], tag="spring", starts_at=datetime.now(UTC) + timedelta(hours=1)
    )
    started = store.start_campaign(made)
    assert (started["answer"], started["wait_seconds"]) == ("scheduled", pytest.approx(3600, abs=5))


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.begin_run(uuid4(), uuid4(), 60),
        lambda store: store.check_campaign(uuid4()),
        lambda store: store.start_campaign(uuid4()),
        lambda store: store.cancel_campaign(uuid4()),
        lambda store: store.campaign_status(uuid4()),
        lambda store: store.campaign_progress(uuid4()),
    ],
)
def test_a_campaign_that_is_not_there_is_not_found(
    store: Store, ask: Callable[[Store], Any]
) -> None:
    """By every method that needs one."""
    with pytest.raises(CampaignNotFound):
        ask(store)


def test_campaigns_are_listed(store: Store, campaign: UUID) -> None:
    """As their status is told."""
    (listed,) = store.list_campaigns()
    assert (listed.id, listed.leads) == (campaign, LeadCounts(pending=2))


def test_campaigns_are_listed_the_newest_first(
    store: Store, account: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As their status is told, over all pages, by status and time."""
    assert account
    monkeypatch.setattr("outreach.store.store.PAGE", 2)
    store.import_leads([ROW], "spring")
    made = [uuid4() for _ in range(5)]
    for one in made:
        store.create_campaign(one, "Spring", ["ann@us.test"], tag="spring")
    store.start_campaign(made[3])
    newest_first = [store.campaign_status(one) for one in reversed(made)]
    since = newest_first[1].created_at
    assert list(store.recent_campaigns()) == newest_first
    assert list(store.recent_campaigns(since=since)) == newest_first[:2]
    assert [one.id for one in store.recent_campaigns("running", since)] == [made[3]]


def test_leads_are_listed_by_tag_and_status(store: Store, campaign: UUID) -> None:
    """With what became of them in their campaigns."""
    store.import_leads([{"email": "zoe@acme.test"}], "autumn")
    store.cancel_campaign(campaign)
    bob = next(one for one in store.list_leads() if one.email == "bob@acme.test")
    assert bob == ListedLead(
        id=bob.id, email="bob@acme.test", name="Bob", role="CEO", company="Acme", tags=["spring"],
        campaigns=LeadCounts(cancelled=1), sent_at=None,
    )  # fmt: skip
    assert [one.email for one in store.list_leads(tag="autumn")] == ["zoe@acme.test"]
    assert len(list(store.list_leads(status="cancelled"))) == 2


# --- who runs a campaign ----------------------------------------------------------------------------


def renew(store: Store, campaign: UUID, run: UUID) -> str:
    """For this run alone."""
    return store.renew_runs({run: campaign}, 60)[run]


def test_a_run_begins_checks_and_ends(store: Store, campaign: UUID) -> None:
    """Owner, heartbeats, another run, the end."""
    run = uuid4()
    begun = [store.begin_run(campaign, run, 60), store.begin_run(campaign, uuid4(), 60)]
    checked = store.check_campaign(campaign)
    renewed = [renew(store, campaign, one) for one in (run, uuid4())]
    finished = [store.finish_run(campaign, run, 90, "the cap") for _ in range(2)]
    assert begun == [
        Begun(answer="begun", name="Spring"),
        Begun(answer="already_running", status="running"),
    ]
    assert checked == Checked(
        name="Spring", attachment=None, accounts=1, pace_seconds=[None], leads=LeadCounts(pending=2), misassigned=0, opens=True
    )  # fmt: skip
    assert renewed == ["renewed", "stopped"]
    assert finished[0] == Finished(
        answer="deferred", status="running", leads=LeadCounts(pending=2), resume_seconds=90, waiting_for="the cap"
    )  # fmt: skip
    assert finished[1].model_copy(update={"resume_seconds": 90.0}) == finished[0]


def test_a_run_waits_for_its_campaigns_time(store: Store, campaign: UUID, run: UUID) -> None:
    """After it was put off."""
    store.finish_run(campaign, run, 300, None)
    begun = store.begin_run(campaign, uuid4(), 60)
    assert (begun.answer, begun.wait_seconds) == ("wait", pytest.approx(300, abs=5))


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [
        (lambda store, campaign, run: store.fail_run(campaign, run, "no disk"), "error", "no disk"),
        (lambda store, campaign, run: store.crash_run(campaign, run, "boom"), "running", None),
        (lambda store, campaign, run: store.cancel_run(campaign, run), "cancelled", None),
        (lambda store, campaign, run: store.release_run(campaign, run), "running", None),
    ],
)
def test_a_run_ends_early(
    store: Store, campaign: UUID, run: UUID, end: Callable[[Store, UUID, UUID], None], status: str,
    error: str | None,
) -> None:  # fmt: skip
    """Called twice, as after a lost answer."""
    for _ in range(2):
        end(store, campaign, run)
    found = store.campaign_status(campaign)
    assert (found.status, found.error, found.flow_run_ids) == (status, error, [str(run)])
    assert renew(store, campaign, run) == "stopped"


# --- one mail -----------------------------------------------------------------------------------------


def test_leads_are_claimed_with_all_that_their_mail_needs(
    store: Store, campaign: UUID, run: UUID, account: UUID
) -> None:
    """The same batch twice; the time on this process's clock is after now."""
    batch = uuid4()
    claimed, again = (store.claim_leads(batch, campaign, run, 10) for _ in range(2))
    bob = next(claim for claim in claimed.claims if claim.lead.email == "bob@acme.test")
    assert [c.id for c in again.claims] == [c.id for c in claimed.claims]
    assert (claimed.answer, len(claimed.claims), bob.due > 0) == ("claimed", 2, True)
    assert bob == Claim(
        id=bob.id,
        token=batch,
        wait_seconds=0,
        due=bob.due,
        sender=Sender(id=account, email="ann@us.test", name="Ann"),
        lead=Lead(
            email="bob@acme.test", name="Bob", role="CEO", custom_fields={"city": "Köln", "n": 1}
        ),
        company=Company(
            name="Acme", domain="acme.test", email_subject="Hello", email_template="Hi {name}"
        ),
    )


def test_what_is_claimed_or_done_is_told(store: Store, campaign: UUID, run: UUID) -> None:
    """Later with a time, stopped with a reason, done."""
    held = claims(store, campaign, run)
    later = store.claim_leads(uuid4(), campaign, run, 10)
    stopped = store.claim_leads(uuid4(), campaign, uuid4(), 10)
    for claim in held:
        store.fail_lead(claim, "no template")
    done = store.claim_leads(uuid4(), campaign, run, 10)
    assert (later.answer, later.wait_seconds, later.waiting_for) == (
        "later",
        pytest.approx(120, abs=5),
        "leads that are being sent",
    )
    assert (stopped, done) == (Batch(answer="stopped", reason="superseded"), Batch(answer="done"))


def test_a_mail_goes_and_is_recorded_with_its_ids(store: Store, campaign: UUID, run: UUID) -> None:
    """Go with a budget, asked again too; sent; the lead tells it all."""
    claim, attempt = claims(store, campaign, run)[0], uuid4()
    begun = [store.begin_attempt(attempt, claim, run, "o1", "d1", "t1") for _ in range(2)]
    recorded = store.record_outcome(attempt, "sent", message_id="m1", thread_id="t2")
    lead = by_email(store, campaign, "sent")["bob@acme.test"]
    assert ([b.answer for b in begun], begun[0].budget_seconds, recorded) == (
        ["go", "go"],
        30,
        "sent",
    )
    assert (lead.account, lead.thread_id, lead.message_id, lead.error) == (
        "ann@us.test",
        "t2",
        "m1",
        None,
    )
    assert isinstance(lead.sent_at, datetime)
    assert abs(lead.sent_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        ("refused", "failed", "no such user"),
        ("unclear", "failed", "may have been sent: no such user"),
        ("not_sent", "pending", None),
    ],
)
def test_what_was_not_sent_is_recorded(
    store: Store, campaign: UUID, run: UUID, outcome: Any, status: str, error: str | None
) -> None:
    """The first word stands."""
    attempt = begin(store, claims(store, campaign, run)[0], run)
    told = [store.record_outcome(attempt, o, why="no such user") for o in (outcome, "refused")]
    lead = by_email(store, campaign)["bob@acme.test"]
    assert (told, lead.status, lead.error) == ([outcome, outcome], status, error)


def test_a_mail_that_may_not_go_is_answered(
    store: Store, campaign: UUID, run: UUID, account: UUID
) -> None:
    """Deferred with a time, not_ours and failed with a reason, settled."""
    bob, eve = claims(store, campaign, run)
    attempt = begin(store, bob, run)
    not_ours = store.begin_attempt(uuid4(), bob, run, "o1", None, None)
    store.record_outcome(attempt, "refused", why="x")
    settled = store.begin_attempt(attempt, bob, run, "o1", "d1", "t1")
    store.pause_account(account, 900)
    deferred = store.begin_attempt(uuid4(), eve, run, "o1", None, None)
    assert [(a.answer, a.reason) for a in (not_ours, settled, deferred)] == [
        ("not_ours", "another attempt is open"),
        ("settled", "already settled as refused"),
        ("deferred", "the quota of ann@us.test"),
    ]
    assert deferred.wait_seconds == pytest.approx(900, abs=5)


def test_a_lead_fails_by_its_claim(store: Store, campaign: UUID, run: UUID) -> None:
    """And the reasons are counted."""
    bob, eve = claims(store, campaign, run)
    store.fail_lead(bob, "no template")
    store.fail_lead(eve, "no template")
    assert store.failure_reasons(campaign) == [Reason(reason="no template", leads=2)]
    assert store.campaign_status(campaign).leads == LeadCounts(failed=2)


def test_a_lead_is_deferred_by_its_claim(store: Store, campaign: UUID, run: UUID) -> None:
    """For the seconds that are given."""
    bob, eve = claims(store, campaign, run)
    store.defer_lead(uuid4(), bob, run, "away", 50)
    store.fail_lead(eve, "x")
    later = store.claim_leads(uuid4(), campaign, run, 10)
    assert (later.answer, later.wait_seconds) == ("later", pytest.approx(50, abs=5))


def test_a_mail_in_doubt_is_listed_and_its_draft_handed_on(
    store: Store, campaign: UUID, run: UUID
) -> None:
    """Settled as not sent, the next claim has it."""
    attempt = begin(store, claims(store, campaign, run)[0], run)
    listed = [list(store.list_open_attempts(of)) for of in (campaign, None, uuid4())]
    store.record_outcome(attempt, "not_sent", why="it died", again_after=0)
    draft = claims(store, campaign, run)[0].draft
    assert [
        [(a.id, a.draft_id, a.thread_id, a.search_token) for a in found] for found in listed
    ] == [
        [(attempt, "d1", "t1", "o1")],
        [(attempt, "d1", "t1", "o1")],
        [],
    ]
    assert 0 <= listed[0][0].age_seconds < 60
    assert (listed[0][0].campaign_cancelled, listed[0][0].campaign_paused) == (False, False)
    assert draft == Draft(id="d1", thread_id="t1", search_token="o1")


def test_the_end_is_told(store: Store, campaign: UUID, run: UUID) -> None:
    """With the counts of all its leads."""
    bob, eve = claims(store, campaign, run)
    store.record_outcome(begin(store, bob, run), "sent")
    store.fail_lead(eve, "x")
    assert store.finish_run(campaign, run, None, None) == Finished(
        answer="ended", status="completed", leads=LeadCounts(sent=1, failed=1)
    )


def test_each_account_is_summed_up(store: Store, campaign: UUID, run: UUID) -> None:
    """One mail has no rate."""
    bob, _ = claims(store, campaign, run)
    store.record_outcome(begin(store, bob, run), "sent")
    assert list(store.campaign_account_summary(campaign, run)) == [
        AccountSummary(
            email="ann@us.test",
            sent=1,
            failed=0,
            pending=1,
            cancelled=0,
            sent_by_run=1,
            per_minute=None,
        )
    ]


# --- dispatching, pausing, deciding by hand -----------------------------------------------------------


def test_a_campaign_that_is_due_is_dispatched_once(store: Store, campaign: UUID) -> None:
    """Noted, listed, forgotten, handed out again with another key."""
    store.start_campaign(campaign)
    flow_run = uuid4()
    first, again = store.take_due(), store.take_due()
    store.note_dispatch(campaign, flow_run)
    listed = [(d.id, d.flow_run) for d in store.list_dispatched()]
    store.forget_dispatch(campaign, flow_run)
    second = store.take_due()
    assert ([(d.answer, d.id, d.name, d.dead_run) for d in first], again) == (
        [("due", campaign, "Spring", None)],
        [],
    )
    assert (listed, [d.id for d in second]) == ([(campaign, flow_run)], [campaign])
    assert first[0].key != second[0].key


def test_a_campaign_is_paused_and_resumed(store: Store, campaign: UUID, run: UUID) -> None:
    """The run is told."""
    store.pause_campaign(campaign)
    paused = renew(store, campaign, run)
    store.resume_campaign(campaign)
    assert (paused, renew(store, campaign, run)) == ("paused", "renewed")


def test_the_leases_of_all_runs_of_a_process_are_renewed_by_one_call(
    store: Store, campaign: UUID, run: UUID
) -> None:
    """An answer for each, by its run: its own, paused, another's, unknown; and none for none."""
    paused, of_paused = uuid4(), uuid4()
    store.create_campaign(paused, "Autumn", ["ann@us.test"], tag="spring")
    store.begin_run(paused, of_paused, 60)
    store.pause_campaign(paused)
    superseded, of_none = uuid4(), uuid4()
    asked = {run: campaign, of_paused: paused, superseded: campaign, of_none: uuid4()}

    assert store.renew_runs(asked, 60) == {
        run: "renewed",
        of_paused: "paused",
        superseded: "stopped",
        of_none: "stopped",
    }
    assert store.renew_runs({}, 60) == {}


def test_failed_leads_are_taken_up_again(store: Store, campaign: UUID, run: UUID) -> None:
    """Those with the reason that is given."""
    bob, eve = claims(store, campaign, run)
    store.fail_lead(bob, "revoked")
    store.fail_lead(eve, "other")
    assert (
        store.retry_failed(campaign, reason="REVOKED"),
        store.campaign_status(campaign).leads,
    ) == (
        1,
        LeadCounts(pending=1, failed=1),
    )


def test_a_lead_in_doubt_is_resolved_by_a_person(store: Store, campaign: UUID, run: UUID) -> None:
    """By its address; the campaign's status is told."""
    bob, eve = claims(store, campaign, run)
    store.record_outcome(begin(store, bob, run), "unclear", why="x")
    store.fail_lead(eve, "x")
    store.finish_run(campaign, run, None, None)
    resolved = store.resolve_lead(True, campaign=campaign, address="BOB@acme.test")
    assert (resolved["lead"], resolved["lead_status"], resolved["campaign_status"]) == (
        str(bob.id),
        "sent",
        "completed",
    )


def test_leads_of_a_campaign_cancelled_by_a_row_update_are_swept(
    store: Store, campaign: UUID
) -> None:
    """None here: cancelling as it should be leaves none."""
    store.cancel_campaign(campaign)
    assert store.sweep_cancelled() == 0


def test_drafts_that_may_still_go_out_are_in_use(store: Store, campaign: UUID, run: UUID) -> None:
    """Of an open attempt; no other."""
    begin(store, claims(store, campaign, run)[0], run, draft="d1")
    assert (store.drafts_in_use(["d1", "d2"]), store.drafts_in_use([])) == ({"d1"}, set())


def test_progress_is_told_by_account(store: Store, campaign: UUID, run: UUID) -> None:
    """With the settings' pace and limit where an account has none."""
    bob, eve = claims(store, campaign, run)
    store.record_outcome(begin(store, bob, run), "sent")
    store.fail_lead(eve, "x")
    told = store.campaign_progress(campaign)
    (ann,) = told.accounts
    assert (told.id, told.status, told.owned, told.leads) == (
        campaign,
        "running",
        True,
        LeadCounts(sent=1, failed=1),
    )
    assert (ann.email, ann.pace_seconds, ann.daily_limit, ann.sent_today, ann.recent.mails) == (
        "ann@us.test",
        0,
        500,
        1,
        1,
    )
    assert ann.recent.last_seconds == pytest.approx(0, abs=60)


def test_leads_are_exported(store: Store, campaign: UUID, run: UUID) -> None:
    """Those of a status, or all."""
    bob, eve = claims(store, campaign, run)
    store.fail_lead(eve, "x")
    store.record_outcome(begin(store, bob, run), "sent", message_id="m1", thread_id="t2")
    (sent,) = store.export_leads(campaign, "sent")
    (failed,) = store.export_leads(campaign, "failed")
    assert len(list(store.export_leads(campaign))) == 2
    assert sent == ExportedLead(
        id=bob.id, email="bob@acme.test", name="Bob", company="Acme", role="CEO", status="sent",
        account="ann@us.test", sent_at=sent.sent_at, thread_id="t2", message_id="m1", error=None,
        opened_at=None, failed_at=None, failures=[],
    )  # fmt: skip
    assert failed.failures == [LeadFailure(failed_at=failed.failed_at, reason="x")]
    assert failed.failed_at is not None


def test_the_schemas_version_is_told(store: Store) -> None:
    """As the newest migration has it."""
    assert (store.schema_version().state, store.compare_schema()) == ("current", None)

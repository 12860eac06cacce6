"""begin_run to finish_run: who owns a campaign, and how it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

HOUR = 60 * 60


def begin(build: Any, campaign: UUID, run: UUID, *, at: float = 0) -> Any:
    return build.sql.begin_run(campaign=campaign, run=run, lease_seconds=60.0, at=at)


def finish(build: Any, campaign: UUID, run: UUID, *, at: float = 0, **more: Any) -> Any:
    return build.sql.finish_run(campaign=campaign, run=run, at=at, **more)


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


# --- begin ----------------------------------------------------------------------------------


def test_a_run_that_begins_owns_the_campaign(build: Any, account: UUID) -> None:
    """A lease, the run among the campaign's, its beginning noted."""
    campaign, run = build.campaign(account, leads=1, status="scheduled"), uuid4()
    assert begin(build, campaign, run) == {"answer": "begun", "name": "Spring"}
    names = ("status", "run_id", "lease_until", "started_at", "flow_run_ids")
    assert build.fields("campaigns", campaign, *names) == (
        "running",
        str(run),
        "2026-11-24T09:01:00+00:00",
        "2026-11-24T09:00:00+00:00",
        [str(run)],
    )


def test_beginning_again_is_the_same_and_renews_the_lease(build: Any, account: UUID) -> None:
    """By the same run, at any time; it is listed once."""
    campaign, run = build.campaign(account, leads=1), uuid4()
    first = begin(build, campaign, run)
    before = build.everything()
    same = begin(build, campaign, run)
    assert (same, build.everything()) == (first, before)
    begin(build, campaign, run, at=30)
    assert build.fields("campaigns", campaign, "lease_until", "flow_run_ids", "started_at") == (
        "2026-11-24T09:01:30+00:00",
        [str(run)],
        "2026-11-24T09:00:00+00:00",
    )


def test_a_draft_is_started(build: Any, account: UUID) -> None:
    """Who triggers a run of a draft wants it sent."""
    campaign = build.campaign(account, leads=1, status="draft")
    answer = begin(build, campaign, uuid4())
    assert (answer["answer"], build.fields("campaigns", campaign, "status")) == (
        "begun",
        ("running",),
    )


def test_a_scheduled_campaign_is_owned_and_waits_for_its_time(
    build: Any, account: UUID, t0: Any
) -> None:
    """The wait is a duration; at its time it begins."""
    campaign = build.campaign(account, leads=1, status="scheduled", scheduled_at=t0)
    run = uuid4()
    waits = [begin(build, campaign, run, at=at) for at in (-100, -100)]
    owned = build.fields("campaigns", campaign, "status", "run_id", "started_at")
    assert waits == [{"answer": "wait", "name": "Spring", "wait_seconds": 100}] * 2
    assert owned == ("scheduled", str(run), None)
    assert begin(build, campaign, run)["answer"] == "begun"


def test_a_campaign_that_goes_on_later_waits_for_that(build: Any, account: UUID, t0: Any) -> None:
    """resume_at of a running one; begun, it is no longer put off."""
    campaign = build.campaign(account, leads=1, resume_at=t0, waiting_for="the cap")
    run = uuid4()
    early = begin(build, campaign, run, at=-50)
    begin(build, campaign, run)
    assert early["wait_seconds"] == 50
    assert build.fields("campaigns", campaign, "resume_at", "waiting_for") == (None, None)


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_has_ended_is_not_begun(build: Any, account: UUID, status: str) -> None:
    """Even with leads pending: nothing leaves cancelled by a mere trigger."""
    campaign = build.campaign(account, leads=1, status=status)
    before = build.everything()
    answer = begin(build, campaign, uuid4())
    assert (answer, build.everything()) == (
        {"answer": "already_ended", "status": status, "error": None},
        before,
    )


def test_an_error_with_nothing_pending_has_ended(build: Any, account: UUID) -> None:
    """All failed: retry-failed is the way back."""
    campaign = build.campaign(account, status="error")
    assert begin(build, campaign, uuid4()) == {
        "answer": "already_ended",
        "status": "error",
        "error": None,
    }


def test_an_error_with_leads_pending_goes_on(build: Any, account: UUID) -> None:
    """Its cause was mended by who starts it: error, end and crashes are cleared."""
    campaign = build.campaign(
        account, leads=1, status="error", error="x", finished_at="now", crash_count=3
    )
    answer = begin(build, campaign, uuid4())
    names = ("status", "error", "finished_at", "crash_count")
    assert (answer["answer"], build.fields("campaigns", campaign, *names)) == (
        "begun",
        ("running", None, None, 0),
    )


@pytest.mark.parametrize("status", ["running", "scheduled"])
def test_a_paused_campaign_is_left_alone(build: Any, account: UUID, status: str) -> None:
    """Until somebody resumes it."""
    campaign = build.campaign(account, leads=1, status=status, paused_at="now")
    before = build.everything()
    answer = begin(build, campaign, uuid4())
    assert (answer, build.everything()) == (
        {"answer": "paused", "status": status, "error": None},
        before,
    )


def test_a_campaign_that_is_not_there_is_not_found(build: Any) -> None:
    """Deleted, or a wrong id."""
    assert begin(build, uuid4(), uuid4()) == {"answer": "not_found"}


def test_another_live_owner_keeps_the_campaign(build: Any, account: UUID) -> None:
    """As long as its lease lives, also while it waits."""
    campaign = build.campaign(account, leads=1)
    build.begin(campaign)
    before = build.everything()
    answer = begin(build, campaign, uuid4(), at=59)
    assert (answer, build.everything()) == (
        {"answer": "already_running", "status": "running"},
        before,
    )


def test_of_two_runs_that_begin_at_once_one_owns(
    build: Any, account: UUID, another: Callable[[], Any]
) -> None:
    """The row decides, on two connections."""
    campaign = build.campaign(account, leads=1)
    one, two = another(), another()
    with ThreadPoolExecutor(1) as pool:
        with one.db.transaction():
            first = one.begin_run(campaign=campaign, run=uuid4(), lease_seconds=60.0)
            second = pool.submit(two.begin_run, campaign=campaign, run=uuid4(), lease_seconds=60.0)
            build.until_blocked()
        assert (first["answer"], second.result(10)["answer"]) == ("begun", "already_running")


# --- the owner dies -----------------------------------------------------------------------------


def test_who_takes_over_from_a_dead_owner_counts_its_crash(build: Any, account: UUID) -> None:
    """The lease lapsed without a word; both runs stay listed."""
    campaign = build.campaign(account, leads=1)
    dead = build.begin(campaign)
    run = build.begin(campaign, at=61)
    assert build.fields("campaigns", campaign, "run_id", "crash_count", "flow_run_ids") == (
        str(run),
        1,
        [str(dead), str(run)],
    )


def test_the_third_owner_that_dies_without_progress_ends_the_campaign(
    build: Any, account: UUID
) -> None:
    """In error, with its leads still pending; whoever found it so is told, to announce it."""
    campaign = build.campaign(account, leads=1)
    for at in (0, 100, 200):
        build.begin(campaign, at=at)
    answer = begin(build, campaign, uuid4(), at=300)
    error = "Three runs in a row died without progress: the last one vanished without a word"
    assert answer == {"answer": "failed", "status": "error"}
    assert build.fields("campaigns", campaign, "status", "error", "run_id", "crash_count") == (
        "error",
        error,
        None,
        3,
    )


def test_who_ended_the_campaign_so_is_told_again_but_may_start_it_later(
    build: Any, account: UUID
) -> None:
    """A lost answer is asked for again at once; a person who starts the same run anew takes longer."""
    campaign, last = build.campaign(account, leads=1), uuid4()
    for at in (0, 100, 200):
        build.begin(campaign, at=at)
    told = begin(build, campaign, last, at=300)
    before = build.everything()
    assert begin(build, campaign, last, at=320) == told
    assert build.everything() == before
    assert begin(build, campaign, last, at=361)["answer"] == "begun"


def test_another_run_begins_the_campaign_that_ended_so_at_once(build: Any, account: UUID) -> None:
    """A person who has seen to the cause."""
    campaign = build.campaign(account, leads=1)
    for at in (0, 100, 200):
        build.begin(campaign, at=at)
    begin(build, campaign, uuid4(), at=300)
    assert begin(build, campaign, uuid4(), at=301)["answer"] == "begun"


def test_progress_sets_the_count_of_crashes_back(build: Any, account: UUID) -> None:
    """Four deaths with a mail in between: it goes on."""
    campaign = build.campaign(account, leads=2)
    build.begin(campaign)
    run = build.begin(campaign, at=100)
    build.mail(campaign, run, at=100)
    for at in (200, 300):
        build.begin(campaign, at=at)
    assert build.fields("campaigns", campaign, "status", "crash_count") == ("running", 2)


@pytest.mark.parametrize(
    "waiting", [{"status": "scheduled", "scheduled_at": "2027-01-01"}, {"resume_at": "2027-01-01"}]
)
def test_who_dies_waiting_for_the_campaigns_time_held_nothing(
    build: Any, call: Any, account: UUID, waiting: dict[str, Any]
) -> None:
    """Workers are restarted many times before a campaign is due: it must not end in error."""
    campaign = build.campaign(account, leads=1, **waiting)
    for at in range(0, 500, 100):
        run = build.begin(campaign, at=at)
    call.crash_run(campaign=campaign, run=run, cause="x")
    assert build.fields("campaigns", campaign, "crash_count", "error", "run_id") == (0, None, None)


def test_a_superseded_run_changes_nothing_any_more(build: Any, call: Any, account: UUID) -> None:
    """Whatever it calls: the campaign is another's."""
    campaign = build.campaign(account, leads=1)
    zombie = build.begin(campaign)
    build.begin(campaign, at=61)
    before = build.everything()
    answers = [
        call.renew_run(campaign=campaign, run=zombie, lease_seconds=60.0, at=62),
        renew_all(call, {zombie: campaign}, at=62),
        call.release_run(campaign=campaign, run=zombie),
        call.fail_run(campaign=campaign, run=zombie, reason="x"),
        call.crash_run(campaign=campaign, run=zombie, cause="x"),
        call.cancel_run(campaign=campaign, run=zombie),
        finish(build, campaign, zombie, at=62),
        build.claim(campaign, zombie, at=62),
    ]
    counts = {"pending": 1, "sent": 0, "failed": 0, "cancelled": 0}
    assert (answers, build.everything()) == (
        [
            {"answer": "stopped"},
            {str(zombie): "stopped"},
            None,
            None,
            None,
            None,
            {"answer": "superseded", "status": "running", "leads": counts},
            {"answer": "stopped", "reason": "superseded"},
        ],
        before,
    )


# --- lease ----------------------------------------------------------------------------------------


def test_a_lease_is_renewed_by_its_owner(build: Any, call: Any, account: UUID) -> None:
    """A lapsed one too, if nobody took over."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    renewed = call.renew_run(campaign=campaign, run=run, lease_seconds=60.0, at=100)
    assert (renewed, build.fields("campaigns", campaign, "lease_until")) == (
        {"answer": "renewed"},
        ("2026-11-24T09:02:40+00:00",),
    )


def test_a_lease_is_written_when_a_quarter_of_it_is_used_up(
    build: Any, call: Any, account: UUID
) -> None:
    """A run asks every second or two, and each change of a row is told to who listens to it."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    before = build.everything()
    early = [call.renew_run(campaign=campaign, run=run, lease_seconds=60.0, at=n) for n in (1, 14)]
    unchanged = build.everything() == before
    call.renew_run(campaign=campaign, run=run, lease_seconds=60.0, at=15)
    assert (early, unchanged, build.fields("campaigns", campaign, "lease_until")) == (
        [{"answer": "renewed"}] * 2,
        True,
        ("2026-11-24T09:01:15+00:00",),
    )


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("paused_at = now()", "paused"),
        ("status = 'cancelled'", "stopped"),
        ("status = 'completed'", "stopped"),
        ("run_id = null", "stopped"),
    ],
)
def test_renewing_tells_a_run_to_stop(
    build: Any, call: Any, account: UUID, change: str, answer: str
) -> None:
    """Paused, ended by a row update, or no longer its own."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.db.execute(f"update campaigns set {change}")  # noqa: S608 - literals above
    assert call.renew_run(campaign=campaign, run=run, lease_seconds=60.0) == {"answer": answer}


def renew_all(
    sql: Any, runs: dict[UUID, UUID], at: float | None, lease: float = 60.0
) -> dict[str, str]:
    """Of each run its campaign; the answers by run."""
    answers = sql.rows(
        "renew_runs", campaigns=list(runs.values()), runs=list(runs), lease_seconds=lease, at=at
    )
    return {answer["run"]: answer["answer"] for answer in answers}


def test_the_leases_of_many_runs_are_renewed_by_one_call(
    build: Any, call: Any, account: UUID
) -> None:
    """An answer each. A lapsed one too, if nobody took over."""
    campaigns = [build.campaign(account, leads=1) for _ in range(3)]
    runs = {build.begin(campaign): campaign for campaign in campaigns}
    renewed = renew_all(call, runs, at=100)
    until = [build.fields("campaigns", campaign, "lease_until") for campaign in campaigns]
    assert (renewed, until) == (
        {str(run): "renewed" for run in runs},
        [("2026-11-24T09:02:40+00:00",)] * 3,
    )


def test_of_many_leases_those_are_written_of_which_a_quarter_is_used_up(
    build: Any, call: Any, account: UUID
) -> None:
    """The others are renewed as well, without a write."""
    early, late = (build.campaign(account, leads=1) for _ in range(2))
    runs = {build.begin(early, at=0): early, build.begin(late, at=5): late}
    before = build.everything()
    first = renew_all(call, runs, at=14)
    unchanged = build.everything() == before
    second = renew_all(call, runs, at=15)
    until = [build.fields("campaigns", campaign, "lease_until") for campaign in (early, late)]
    assert (first, second) == ({str(run): "renewed" for run in runs},) * 2
    assert (unchanged, until) == (
        True,
        [("2026-11-24T09:01:15+00:00",), ("2026-11-24T09:01:05+00:00",)],
    )


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("paused_at = now()", "paused"),
        ("status = 'cancelled'", "stopped"),
        ("status = 'completed'", "stopped"),
        ("run_id = null", "stopped"),
    ],
)
def test_renewing_many_tells_each_run_its_own(
    build: Any, call: Any, account: UUID, change: str, answer: str
) -> None:
    """One paused, ended by a row update, or no longer its own; the run beside it goes on."""
    changed, beside = (build.campaign(account, leads=1) for _ in range(2))
    run, another_run = build.begin(changed), build.begin(beside)
    build.db.execute(f"update campaigns set {change} where id = %s", (changed,))  # noqa: S608
    before = build.fields("campaigns", changed, "lease_until")
    renewed = renew_all(call, {run: changed, another_run: beside}, at=100)
    assert renewed == {str(run): answer, str(another_run): "renewed"}
    is_written = build.fields("campaigns", changed, "lease_until") != before
    assert is_written == (answer == "paused")


def test_renewing_many_tells_superseded_and_unknown_runs_to_stop(
    build: Any, call: Any, account: UUID
) -> None:
    """And changes nothing of the campaign's new owner."""
    campaign = build.campaign(account, leads=1)
    zombie = build.begin(campaign)
    build.begin(campaign, at=61)
    stranger = uuid4()
    before = build.everything()
    renewed = renew_all(call, {zombie: campaign, stranger: uuid4()}, at=100)
    assert (renewed, build.everything()) == (
        {str(zombie): "stopped", str(stranger): "stopped"},
        before,
    )
    assert renew_all(call, {}, at=100) == {}


def test_a_locked_campaign_holds_up_no_other_lease_and_loses_none(
    build: Any, call: Any, another: Callable[[], Any], account: UUID
) -> None:
    """It is passed over, and written by the next call after the lock."""
    locked, free = (build.campaign(account, leads=1) for _ in range(2))
    runs = {build.begin(locked): locked, build.begin(free): free}
    both = {str(run): "renewed" for run in runs}
    holder = another()
    call.db.execute("set lock_timeout = '5s'")  # a call that waits for the lock fails
    with holder.db.transaction():
        holder.db.execute("select from campaigns where id = %s for no key update", (locked,))
        during = renew_all(call, runs, at=30)
        until = [build.fields("campaigns", campaign, "lease_until") for campaign in (locked, free)]
    after = renew_all(call, runs, at=31)
    assert (during, until) == (
        both,
        [("2026-11-24T09:01:00+00:00",), ("2026-11-24T09:01:30+00:00",)],
    )
    assert (after, build.fields("campaigns", locked, "lease_until")) == (
        both,
        ("2026-11-24T09:01:31+00:00",),
    )


def test_a_campaign_is_handed_back_as_it_is(build: Any, call: Any, account: UUID) -> None:
    """Repeatable; the next run goes on at once, and no crash is counted."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    first = call.release_run(campaign=campaign, run=run)
    before = build.everything()
    again = call.release_run(campaign=campaign, run=run)
    assert (first, again, build.everything()) == ({"answer": "released"}, None, before)
    build.begin(campaign, at=1)
    assert build.fields("campaigns", campaign, "crash_count") == (0,)


# --- checks ---------------------------------------------------------------------------------------


def test_all_that_can_stop_a_campaign_is_told_before_its_first_mail(build: Any, call: Any) -> None:
    """Accounts that are there, their paces, and leads that none of them sends."""
    here = build.account("a@us.test", pace_seconds=3)
    removed, stranger = build.account("b@us.test", status="removed"), build.account("c@us.test")
    campaign = build.campaign(here, removed, leads=2, attachment="deck.pdf")
    build.in_campaign(campaign, build.lead(), stranger)
    build.in_campaign(campaign, build.lead(), None)
    build.in_campaign(campaign, build.lead(), stranger, status="failed")
    assert call.check_campaign(campaign=campaign) == {
        "name": "Spring",
        "attachment": "deck.pdf",
        "accounts": 1,
        "pace_seconds": [3],
        "leads": {"pending": 4, "sent": 0, "failed": 1, "cancelled": 0},
        "opens": True,
        "misassigned": 3,
        "footer": None,
        "list_unsubscribe": False,
    }


def test_a_campaign_without_an_account_says_so(build: Any, call: Any) -> None:
    """And one that is not there gives no row."""
    checked = call.check_campaign(campaign=build.campaign())
    assert (checked["accounts"], checked["pace_seconds"]) == (0, None)
    assert call.check_campaign(campaign=uuid4()) is None


# --- finish ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "status", "error"),
    [
        (["sent", "sent"], "completed", None),
        (["sent", "refused"], "completed", None),
        (["sent", "unclear"], "completed", None),
        (["refused", "refused"], "error", "All email sends failed"),
        (["unclear"], "error", "No delivery could be confirmed"),
        (["refused", "unclear"], "error", "No delivery could be confirmed"),
        ([], "completed", None),
    ],
)
def test_the_end_is_counted_from_the_rows(
    build: Any, account: UUID, outcomes: list[str], status: str, error: str | None
) -> None:
    """Nothing is pending; the owner lets go of it."""
    campaign = build.campaign(account, leads=len(outcomes))
    run = build.begin(campaign)
    for outcome in outcomes:
        build.mail(campaign, run, outcome)
    finished = finish(build, campaign, run, at=9)
    assert (finished["answer"], finished["status"], finished["error"]) == ("ended", status, error)
    names = ("status", "error", "finished_at", "run_id", "lease_until", "resume_at")
    assert build.fields("campaigns", campaign, *names) == (
        status,
        error,
        "2026-11-24T09:00:09+00:00",
        None,
        None,
        None,
    )


def test_all_leads_cancelled_completes(build: Any, account: UUID) -> None:
    """None sent, none failed."""
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    build.db.execute("update campaign_leads set status = 'cancelled'")
    assert finish(build, campaign, run)["status"] == "completed"


def test_an_unclear_lead_that_was_sent_after_all_is_not_unclear(build: Any, account: UUID) -> None:
    """The end counts what is known now."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run)
    build.record(attempt, "unclear")
    build.record(attempt, "sent")
    assert finish(build, campaign, run)["status"] == "completed"


def test_leads_that_go_later_keep_the_campaign_running(build: Any, account: UUID) -> None:
    """With the time and the reason; nobody owns it until then."""
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    build.mail(campaign, run)
    counts = {"pending": 1, "sent": 1, "failed": 0, "cancelled": 0}
    assert finish(build, campaign, run, resume_after=500, reason="the cap") == {
        "answer": "deferred",
        "status": "running",
        "error": None,
        "leads": counts,
        "resume_seconds": 500,
        "waiting_for": "the cap",
        "suspended": False,
    }
    assert build.fields("campaigns", campaign, "run_id", "resume_at") == (
        None,
        "2026-11-24T09:08:20+00:00",
    )


@pytest.mark.parametrize("resume_after", [None, 0, 59.5, -1])
def test_a_campaign_rests_a_minute_at_least(
    build: Any, account: UUID, resume_after: float | None
) -> None:
    """Dispatching it costs a run each time."""
    campaign = build.campaign(account, leads=1)
    finished = finish(build, campaign, build.begin(campaign), resume_after=resume_after)
    assert finished["resume_seconds"] == 60


def test_a_mail_in_doubt_keeps_the_campaign_running(build: Any, account: UUID) -> None:
    """It is pending until it is settled."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.open(campaign, run)
    assert finish(build, campaign, run)["answer"] == "deferred"


def test_a_paused_campaign_is_handed_back_without_a_time(build: Any, account: UUID) -> None:
    """Resuming it is somebody's decision."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.db.execute("update campaigns set paused_at = now()")
    finished = finish(build, campaign, run, resume_after=500)
    assert (finished["answer"], finished["resume_seconds"]) == ("paused", None)
    assert build.fields("campaigns", campaign, "status", "run_id", "resume_at") == (
        "running",
        None,
        None,
    )


@pytest.mark.parametrize("ending", ["ended", "failed", "deferred", "paused"])
def test_finishing_again_gives_the_same_answer(build: Any, account: UUID, ending: str) -> None:
    """The run that ended it did not hear so; it must not believe that another took over."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    if ending in {"ended", "failed"}:
        build.mail(campaign, run, {"ended": "sent", "failed": "refused"}[ending])
    if ending == "paused":
        build.db.execute("update campaigns set paused_at = now()")
    first = finish(build, campaign, run, resume_after=90, reason="the cap")
    before = build.everything()
    again = finish(build, campaign, run, resume_after=90, reason="the cap")
    assert (again, build.everything()) == (first, before)


@pytest.mark.parametrize("pending", [0, 1])
def test_nothing_leaves_cancelled(build: Any, account: UUID, pending: int) -> None:
    """A web app wrote the row while the run was at it: what is pending is cancelled with it."""
    campaign = build.campaign(account, leads=1 + pending)
    run = build.begin(campaign)
    build.mail(campaign, run)
    build.db.execute("update campaigns set status = 'cancelled'")
    finished = finish(build, campaign, run)
    assert finished == {
        "answer": "superseded",
        "status": "cancelled",
        "leads": {"pending": 0, "sent": 1, "failed": 0, "cancelled": pending},
    }
    assert build.fields("campaigns", campaign, "status", "run_id") == ("cancelled", None)


def test_a_campaign_that_was_deleted_ends_as_cancelled(build: Any) -> None:
    """There is nothing to count."""
    assert finish(build, uuid4(), uuid4()) == {
        "answer": "superseded",
        "status": "cancelled",
        "leads": {"pending": 0, "sent": 0, "failed": 0, "cancelled": 0},
    }


# --- fail, crash, cancel: by the owner alone --------------------------------------------------------


def test_a_run_that_fails_ends_the_campaign_in_error(build: Any, call: Any, account: UUID) -> None:
    """With the reason, its leads still pending; also with a lapsed lease; once."""
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    failed = call.fail_run(campaign=campaign, run=run, reason="no account", at=100)
    before = build.everything()
    again = call.fail_run(campaign=campaign, run=run, reason="other", at=101)
    assert (failed, again, build.everything()) == ({"answer": "failed"}, None, before)
    assert build.fields("campaigns", campaign, "status", "error", "run_id", "finished_at") == (
        "error",
        "no account",
        None,
        "2026-11-24T09:01:40+00:00",
    )
    assert build.lead_states(campaign) == {"pending": 2}


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_run_that_fails_does_not_undo_an_end(
    build: Any, call: Any, account: UUID, status: str
) -> None:
    """The web app ended it first."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.db.execute("update campaigns set status = %s", (status,))
    answers = [
        call.fail_run(campaign=campaign, run=run, reason="x"),
        *[call.crash_run(campaign=campaign, run=run, cause="x") for _ in range(4)],
    ]
    assert (answers[0], build.fields("campaigns", campaign, "status")) == (None, (status,))


def test_a_run_that_crashes_lets_go_and_the_third_time_it_is_an_error(
    build: Any, call: Any, account: UUID
) -> None:
    """Each asked twice: the second changes nothing."""
    campaign = build.campaign(account, leads=1)
    answers = []
    for at in (0, 1, 2):
        run = build.begin(campaign, at=at)
        answers += [
            call.crash_run(campaign=campaign, run=run, cause="boom", at=at) for _ in range(2)
        ]
    released = {"answer": "released"}
    assert answers == [released, None, released, None, {"answer": "failed"}, None]
    assert build.fields("campaigns", campaign, "status", "error", "crash_count", "run_id") == (
        "error",
        "Three runs in a row died without progress: boom",
        3,
        None,
    )


def test_a_failed_lead_is_progress_too(build: Any, call: Any, account: UUID) -> None:
    """A template that cannot be filled: one lead less."""
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    build.db.execute("update campaigns set crash_count = 2")
    claim = build.claim(campaign, run)["claims"][0]
    call.fail_lead(lead=UUID(claim["id"]), claim=UUID(claim["token"]), why="x")
    assert build.fields("campaigns", campaign, "crash_count") == (0,)


def test_a_run_cancelled_in_prefect_cancels_its_campaign(
    build: Any, call: Any, account: UUID
) -> None:
    """If it owns it; a mail on its way is left for settling; asked again nothing changes."""
    campaign = build.campaign(account, leads=3)
    run = build.begin(campaign)
    build.open(campaign, run)
    cancelled = call.cancel_run(campaign=campaign, run=run)
    before = build.everything()
    again = call.cancel_run(campaign=campaign, run=run)
    assert (cancelled, again, build.everything()) == (
        {"answer": "cancelled", "leads": 2},
        None,
        before,
    )
    assert build.lead_states(campaign) == {"cancelled": 2, "pending": 1}

"""begin_attempt and record_outcome: the write-ahead record, and what became of it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

DAY = 24 * 60 * 60
HOUR = 60 * 60
GO = {"answer": "go", "budget_seconds": 30}
OUTCOMES = ["sent", "refused", "not_sent", "unclear"]


@pytest.fixture
def campaign(build: Any) -> UUID:
    made: UUID = build.campaign(build.account(), leads=3)
    return made


@pytest.fixture
def run(build: Any, campaign: UUID) -> UUID:
    owner: UUID = build.begin(campaign)
    return owner


# --- begin ----------------------------------------------------------------------------------


def test_the_attempt_is_written_before_the_mail_may_go(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """All that settling needs, the lead marked, the claim used up."""
    attempt, claim = uuid4(), build.claim(campaign, run)["claims"][0]
    begun = build.attempt(claim, run, attempt=attempt, draft="d1", token="o9", at=5)
    written = build.row("send_attempts", attempt)
    lead = build.row("campaign_leads", UUID(claim["id"]))
    assert begun == GO
    assert written == {
        "id": str(attempt),
        "campaign_id": str(campaign),
        "campaign_lead_id": claim["id"],
        "account_id": claim["sender"]["id"],
        "run_id": str(run),
        "address": claim["lead"]["email"],
        "started_at": "2026-11-24T09:00:05+00:00",
        "draft_id": "d1",
        "thread_id": None,
        "search_token": "o9",
        "finished_at": None,
        "outcome": None,
        "detail": None,
        "retry_after": None,
        "template": None,
        "own_text": None,
        "subject": None,
        "placeholders": None,
        "fingerprint": None,
    }
    assert (lead["status"], lead["open_attempt_id"], lead["claim_token"]) == (
        "pending",
        str(attempt),
        None,
    )


def test_the_same_attempt_asked_again_goes_with_what_is_left_of_its_budget(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """A lost answer is asked for again; after the budget nothing is left, and nothing changed."""
    attempt, claim = uuid4(), build.claim(campaign, run)["claims"][0]
    build.attempt(claim, run, attempt=attempt)
    before = build.everything()
    again = [
        build.attempt(claim, run, attempt=attempt, at=at)["budget_seconds"] for at in (0, 10, 99)
    ]
    assert (again, build.everything()) == ([30, 20, 0], before)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_attempt_that_is_settled_is_never_begun_again(
    build: Any, campaign: UUID, run: UUID, outcome: str
) -> None:
    """Whoever asks late may not post."""
    attempt, claim = uuid4(), build.claim(campaign, run)["claims"][0]
    build.attempt(claim, run, attempt=attempt)
    build.record(attempt, outcome)
    assert build.attempt(claim, run, attempt=attempt) == {
        "answer": "settled",
        "reason": f"already settled as {outcome}",
    }


def test_a_lead_has_one_open_attempt(build: Any, campaign: UUID, run: UUID) -> None:
    """The second one is refused, whatever token it brings."""
    claim = build.claim(campaign, run)["claims"][0]
    build.attempt(claim, run)
    assert build.attempt(claim, run) == {"answer": "not_ours", "reason": "another attempt is open"}


def test_the_database_itself_refuses_a_second_open_attempt(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """By a unique index, whatever the functions do."""
    build.open(campaign, run)
    with pytest.raises(psycopg.errors.UniqueViolation, match="send_attempts_one_open"):
        build.db.execute(
            "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id,"
            " address, started_at, search_token) select gen_random_uuid(), campaign_id,"
            " campaign_lead_id, account_id, run_id, 'other@acme.test', started_at, 'o'"
            " from send_attempts"
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update campaigns set status = 'cancelled'", "the campaign was cancelled"),
        ("update campaigns set paused_at = now()", "the campaign was paused"),
        ("update campaigns set status = 'error'", "the campaign is error"),
        ("update campaign_leads set status = 'cancelled'", "the campaign was cancelled"),
        ("update campaign_leads set status = 'failed'", "the lead is failed"),
        ("delete from campaign_leads", "its row was deleted"),
        ("delete from campaigns", "its row was deleted"),
    ],
)
def test_what_changed_since_the_claim_stops_the_mail(
    build: Any, campaign: UUID, run: UUID, change: str, reason: str
) -> None:
    """Checked again under the locks; asked again, the answer is no either."""
    claim = build.claim(campaign, run, most=1)["claims"][0]
    build.db.execute(change)
    first, second = build.attempt(claim, run), build.attempt(claim, run)
    assert (first, second["answer"]) == ({"answer": "not_ours", "reason": reason}, "not_ours")
    assert build.db.execute("select count(*) from send_attempts").fetchone() == (0,)


@pytest.mark.parametrize("state", ["unusable", "removed", "deleted"])
def test_a_lead_whose_account_became_unusable_fails(
    build: Any, campaign: UUID, run: UUID, state: str
) -> None:
    """At once, with the reason; its mail does not go."""
    claim = build.claim(campaign, run, most=1)["claims"][0]
    if state == "deleted":
        build.db.execute("delete from accounts")
    else:
        build.db.execute("update accounts set status = %s", (state,))
    answer = build.attempt(claim, run)
    assert (answer["answer"], answer["reason"].endswith("cannot send: reconnect the account")) == (
        "failed",
        True,
    )
    assert build.fields("campaign_leads", UUID(claim["id"]), "status") == ("failed",)


# --- one mail per address and campaign ----------------------------------------------------------


@pytest.mark.parametrize("outcome", [None, "sent", "unclear"])
def test_an_address_that_was_mailed_or_may_have_been_is_not_mailed_again(
    build: Any, outcome: str | None
) -> None:
    """Whatever its case; the second lead fails as such."""
    campaign = build.campaign(build.account(), leads=["Bob@Acme.test", " bob@acme.TEST"])
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run)
    if outcome:
        build.record(attempt, outcome)
    claim = build.claim(campaign, run)["claims"][0]
    assert build.attempt(claim, run) == {
        "answer": "failed",
        "reason": "This address was already mailed in this campaign",
    }
    assert build.fields("campaign_leads", UUID(claim["id"]), "status") == ("failed",)


@pytest.mark.parametrize("outcome", ["refused", "not_sent"])
def test_an_address_that_was_certainly_not_mailed_may_be(build: Any, outcome: str) -> None:
    """By another lead of the same address."""
    campaign = build.campaign(build.account(), leads=["bob@acme.test", "BOB@acme.test"])
    run = build.begin(campaign)
    build.mail(campaign, run, outcome, again_after=999)
    assert build.attempt(build.claim(campaign, run)["claims"][0], run) == GO


def test_what_the_sender_before_us_mailed_is_not_mailed_again(build: Any) -> None:
    """Its rows say sent and the log knows nothing of them."""
    account = build.account()
    campaign = build.campaign(account, leads=["bob@acme.test"])
    build.in_campaign(campaign, build.lead("BOB@acme.test"), account, status="sent", sent_at="now")
    run = build.begin(campaign)
    answer = build.attempt(build.claim(campaign, run)["claims"][0], run)
    assert answer["reason"] == "This address was already mailed in this campaign"


def test_another_campaign_may_mail_the_same_address(build: Any) -> None:
    """The promise is one mail a campaign."""
    account = build.account()
    campaigns = [build.campaign(account, leads=["bob@acme.test"]) for _ in range(2)]
    runs = [build.begin(campaign) for campaign in campaigns]
    sent = [build.mail(campaign, run) for campaign, run in zip(campaigns, runs, strict=True)]
    assert [build.fields("campaign_leads", lead, "status") for lead in sent] == [("sent",)] * 2


def test_two_leads_of_one_address_begun_at_the_same_moment_mail_once(
    build: Any, another: Callable[[], Any]
) -> None:
    """Two connections, two accounts: the index makes the second wait, then refuses it."""
    campaign = build.campaign(
        build.account("a@us.test"), build.account("b@us.test"), leads=["x@y.test", "X@Y.test"]
    )
    run = build.begin(campaign)
    claims = build.claim(campaign, run)["claims"]
    one, two = another(), another()
    with ThreadPoolExecutor(1) as pool:
        with one.db.transaction():
            first = build.attempt(claims[0], run, db=one)
            second = pool.submit(build.attempt, claims[1], run, db=two)
            build.until_blocked()
        assert (first, second.result(10)["answer"]) == (GO, "failed")


def test_a_begin_that_is_rolled_back_lets_the_other_lead_go(
    build: Any, another: Callable[[], Any]
) -> None:
    """Who waited for a process that died is not lost."""
    campaign = build.campaign(
        build.account("a@us.test"), build.account("b@us.test"), leads=["x@y.test", "X@Y.test"]
    )
    run = build.begin(campaign)
    claims = build.claim(campaign, run)["claims"]
    one, two = another(), another()
    with ThreadPoolExecutor(1) as pool:
        with one.db.transaction(force_rollback=True):
            build.attempt(claims[0], run, db=one)
            second = pool.submit(build.attempt, claims[1], run, db=two)
            build.until_blocked()
        assert second.result(10) == GO


def test_one_claim_begun_by_two_processes_goes_once(
    build: Any, another: Callable[[], Any], campaign: UUID, run: UUID
) -> None:
    """The lead's row is the fence."""
    claim = build.claim(campaign, run)["claims"][0]
    senders = [another() for _ in range(6)]
    start = threading.Barrier(6)

    def begin(sender: Any) -> str:
        start.wait()
        return str(build.attempt(claim, run, db=sender)["answer"])

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(begin, senders))
    assert answers == ["go", *["not_ours"] * 5]


# --- pace and cap, once more ----------------------------------------------------------------------


def test_before_its_slot_a_claim_waits(build: Any, campaign: UUID, run: UUID) -> None:
    """The second of three leads at 2 s each, begun at once."""
    claims = build.claim(campaign, run, pace=2)["claims"]
    before = build.attempt(claims[1], run, pace=2, at=0.5)
    then = build.attempt(claims[1], run, pace=2, at=2)
    assert (before, then) == ({"answer": "wait", "wait_seconds": 1.5}, GO)


def test_posts_of_an_account_start_95_hundredths_of_its_pace_apart(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """However late the one before was: refused, sent or open."""
    claims = build.claim(campaign, run, pace=2)["claims"]
    build.attempt(claims[0], run, pace=2, at=1.5)
    early = build.attempt(claims[1], run, pace=2, at=2)
    on_time = build.attempt(claims[1], run, pace=2, at=3.4)
    assert (early, on_time) == ({"answer": "wait", "wait_seconds": pytest.approx(1.4)}, GO)


def test_two_posts_of_an_account_are_never_closer_than_its_pace_allows(build: Any) -> None:
    """Not by half a millisecond: the next one waits for just that."""
    campaign = build.campaign(build.account(), leads=2)
    run = build.begin(campaign)
    first, second = build.claim(campaign, run)["claims"]
    build.attempt(first, run, pace=2)
    early = build.attempt(second, run, at=1.8995, pace=2)
    then = build.attempt(second, run, at=1.9, pace=2)
    assert (early, then["answer"]) == (
        {"answer": "wait", "wait_seconds": pytest.approx(0.0005)},
        "go",
    )


def test_two_campaigns_keep_the_pace_of_their_account(build: Any) -> None:
    """A post of one makes the other wait."""
    account = build.account(pace_seconds=10)
    one, two = build.campaign(account, leads=1), build.campaign(account, leads=1)
    first, second = build.begin(one), build.begin(two)
    claims = build.claim(one, first)["claims"] + build.claim(two, second)["claims"]
    build.attempt(claims[0], first, at=9)
    assert build.attempt(claims[1], second, at=10) == {"answer": "wait", "wait_seconds": 8.5}


def test_a_wait_keeps_the_claim_alive(build: Any, campaign: UUID, run: UUID) -> None:
    """Who was told to wait may begin then, past the claim's first end."""
    build.db.execute("update accounts set pace_seconds = 60")
    claim = build.claim(campaign, run)["claims"][0]
    build.past_mails(build.db.execute("select id from accounts").fetchone()[0], -90)
    waited = build.attempt(claim, run, at=100)
    assert (waited, build.attempt(claim, run, at=147)) == (
        {"answer": "wait", "wait_seconds": 47},
        GO,
    )


def test_a_long_wait_is_not_waited_for_by_a_thread(build: Any, campaign: UUID, run: UUID) -> None:
    """An account that was slowed down gives its leads back, and the next claim knows when."""
    (account,) = build.db.execute("select id from accounts").fetchone()
    first, second, *_ = build.claim(campaign, run, pace=2)["claims"]
    build.attempt(first, run, pace=2)
    build.db.execute("update accounts set pace_seconds = 3600")
    deferred = build.attempt(second, run, at=2)
    assert deferred == {
        "answer": "deferred",
        "reason": "the pace of ann@us.test",
        "wait_seconds": 3418,
    }
    lead = UUID(second["id"])
    assert build.fields("campaign_leads", lead, "claim_token", "next_attempt_at") == (
        None,
        build.time(3420).isoformat(),
    )
    assert build.fields("accounts", account, "next_send_at") == (build.time(3420).isoformat(),)


def test_late_claims_catch_up_without_crowding(build: Any) -> None:
    """After a pause of the process each post keeps its distance from the one before."""
    campaign = build.campaign(build.account(), leads=5)
    run = build.begin(campaign)
    at, posts = 50.0, []
    for claim in build.claim(campaign, run, pace=2)["claims"]:
        while (answer := build.attempt(claim, run, pace=2, at=at))["answer"] == "wait":
            at += answer["wait_seconds"]
        posts.append(at)
    assert posts == pytest.approx([50.0, 51.9, 53.8, 55.7, 57.6])


def test_the_cap_is_kept_at_the_last_moment(build: Any) -> None:
    """Two campaigns claimed up to the cap each; the second is deferred until there is room."""
    account = build.account(daily_limit=1)
    one, two = build.campaign(account, leads=1), build.campaign(account, leads=1)
    first, second = build.begin(one), build.begin(two)
    claims = build.claim(one, first)["claims"] + build.claim(two, second)["claims"]
    build.attempt(claims[0], first)
    deferred = build.attempt(claims[1], second, at=10)
    lead = UUID(claims[1]["id"])
    assert deferred == {
        "answer": "deferred",
        "reason": "the daily limit of ann@us.test (1)",
        "wait_seconds": DAY - 10,
    }
    assert build.fields("campaign_leads", lead, "status", "claim_token", "next_attempt_at") == (
        "pending",
        None,
        "2026-11-25T09:00:00+00:00",
    )


def test_a_pause_of_the_account_defers(build: Any, call: Any, campaign: UUID, run: UUID) -> None:
    """Until it is over."""
    claim = build.claim(campaign, run)["claims"][0]
    call.pause_account(account=UUID(claim["sender"]["id"]), seconds=900, at=0)
    assert build.attempt(claim, run, at=1) == {
        "answer": "deferred",
        "reason": "the quota of ann@us.test",
        "wait_seconds": 899,
    }


def test_a_rest_that_the_guard_gave_has_its_reason(
    build: Any, db: psycopg.Connection, campaign: UUID, run: UUID
) -> None:
    """It is no quota of Gmail's."""
    claim = build.claim(campaign, run)["claims"][0]
    db.execute(
        "update accounts set paused_until = %s, rest_reason = '3 of its last 60 mails met dead addresses'",
        [build.time(900)],
    )
    assert build.attempt(claim, run, at=1) == {
        "answer": "deferred",
        "reason": "the rest of ann@us.test (3 of its last 60 mails met dead addresses)",
        "wait_seconds": 899,
    }


def test_many_connections_never_pass_the_cap(build: Any, another: Callable[[], Any]) -> None:
    """Eight at once, room for three."""
    account = build.account(daily_limit=8)
    campaign = build.campaign(account, leads=8)
    run = build.begin(campaign)
    claims = build.claim(campaign, run)["claims"]
    build.db.execute("update accounts set daily_limit = 3")
    with ThreadPoolExecutor(4) as pool:
        senders = [another() for _ in claims]
        begun = pool.map(
            lambda x: build.attempt(x[0], run, db=x[1])["answer"], zip(claims, senders, strict=True)
        )
        answers = sorted(begun)
    assert answers == ["deferred"] * 5 + ["go"] * 3


# --- record -----------------------------------------------------------------------------------


def test_sent_is_recorded_with_its_ids_and_the_time_it_began(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """Nothing of the attempt is left on the lead."""
    attempt, lead = build.open(campaign, run, at=1)
    build.record(attempt, "sent", at=4, message="m1", thread="t1")
    names = (
        "status",
        "sent_at",
        "message_id",
        "thread_id",
        "error",
        "open_attempt_id",
        "next_attempt_at",
    )
    assert build.fields("campaign_leads", lead, *names) == (
        "sent",
        "2026-11-24T09:00:01+00:00",
        "m1",
        "t1",
        None,
        None,
        None,
    )
    assert build.fields("send_attempts", attempt, "outcome", "finished_at", "thread_id") == (
        "sent",
        "2026-11-24T09:00:04+00:00",
        "t1",
    )


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        ("refused", "failed", "no such user"),
        ("unclear", "failed", "may have been sent: no such user"),
        ("not_sent", "pending", None),
    ],
)
def test_what_was_not_sent_is_recorded_on_the_lead(
    build: Any, campaign: UUID, run: UUID, outcome: str, status: str, error: str | None
) -> None:
    """Refused and unclear end it, not sent keeps it pending."""
    attempt, lead = build.open(campaign, run)
    build.record(attempt, outcome, why="no such user")
    assert build.fields("campaign_leads", lead, "status", "error", "open_attempt_id") == (
        status,
        error,
        None,
    )
    assert build.fields("send_attempts", attempt, "outcome", "detail") == (outcome, "no such user")


def test_unclear_without_a_reason_still_says_that_it_may_have_been_sent(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """`||` with nothing would be nothing."""
    lead = build.mail(campaign, run, "unclear")
    assert build.fields("campaign_leads", lead, "error") == (
        "may have been sent: no reason recorded",
    )


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_recorded_again_changes_nothing(
    build: Any, campaign: UUID, run: UUID, outcome: str
) -> None:
    """The answer was lost, or a zombie repeats itself."""
    attempt, _ = build.open(campaign, run)
    build.record(attempt, outcome, why="x", message="m", thread="t")
    before = build.everything()
    again = build.record(attempt, outcome, at=60, why="y", message="n", thread="u", again_after=9)
    assert (again, build.everything()) == (outcome, before)


@pytest.mark.parametrize("later", ["refused", "not_sent", "unclear"])
def test_nothing_wins_over_sent(build: Any, campaign: UUID, run: UUID, later: str) -> None:
    """The answer is what is recorded."""
    attempt, _ = build.open(campaign, run)
    build.record(attempt, "sent", message="m1")
    before = build.everything()
    assert (build.record(attempt, later, why="x"), build.everything()) == ("sent", before)


@pytest.mark.parametrize("first", ["refused", "not_sent", "unclear"])
@pytest.mark.parametrize("later", ["refused", "not_sent", "unclear"])
def test_the_first_word_stands(
    build: Any, campaign: UUID, run: UUID, first: str, later: str
) -> None:
    """Whatever comes second, but for sent."""
    attempt, _ = build.open(campaign, run)
    build.record(attempt, first, why="x")
    before = build.everything()
    assert (build.record(attempt, later, why="y"), build.everything()) == (first, before)


@pytest.mark.parametrize("first", ["refused", "not_sent", "unclear"])
def test_sent_wins_over_everything(build: Any, campaign: UUID, run: UUID, first: str) -> None:
    """Also over a word that was certain: what is in the mailbox counts."""
    attempt, lead = build.open(campaign, run)
    build.record(attempt, first, why="x")
    assert build.record(attempt, "sent", message="m1", thread="t1") == "sent"
    assert build.fields("campaign_leads", lead, "status", "message_id", "error") == (
        "sent",
        "m1",
        None,
    )
    assert build.fields("send_attempts", attempt, "outcome") == ("sent",)


@pytest.mark.parametrize("first", ["refused", "unclear"])
def test_a_late_sent_counts_the_end_anew(build: Any, call: Any, first: str) -> None:
    """Nothing is pending and one was sent: that is completed, whatever it was before."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run)
    build.record(attempt, first, why="x")
    ended = call.finish_run(campaign=campaign, run=run, at=1)
    build.record(attempt, "sent", at=2, message="m1")
    assert (ended["status"], build.fields("campaigns", campaign, "status", "error")) == (
        "error",
        ("completed", None),
    )


def test_a_late_sent_ends_nothing_while_other_leads_are_pending(build: Any, call: Any) -> None:
    campaign = build.campaign(build.account(), leads=2)
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run)
    build.record(attempt, "unclear", why="x")
    call.fail_run(campaign=campaign, run=run, reason="mend it", at=1)
    build.record(attempt, "sent", at=2, message="m1")
    assert build.fields("campaigns", campaign, "status", "error") == ("error", "mend it")


def test_sent_wins_over_a_lead_that_was_cancelled_meanwhile(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """The campaign stays cancelled."""
    attempt, lead = build.open(campaign, run)
    call.cancel_campaign(campaign=campaign)
    build.db.execute("update campaign_leads set status = 'cancelled'")
    build.record(attempt, "sent", message="m1")
    assert build.fields("campaign_leads", lead, "status", "message_id") == ("sent", "m1")
    assert build.fields("campaigns", campaign, "status") == ("cancelled",)


def test_a_late_word_about_a_draft_goes_to_the_attempt_that_took_it_over(
    build: Any, campaign: UUID, run: UUID
) -> None:
    """A zombie sent the draft of the attempt that had been settled as not sent."""
    build.db.execute(
        "delete from campaign_leads where id in (select id from campaign_leads limit 2)"
    )
    old, lead = build.open(campaign, run, draft="d1")
    build.record(old, "not_sent", again_after=0)
    new, _ = build.open(campaign, run, at=1, draft="d1")
    assert build.record(old, "sent", at=2, message="m1") == "sent"
    outcomes = [build.fields("send_attempts", x, "outcome")[0] for x in (old, new)]
    assert (outcomes, build.fields("campaign_leads", lead, "status", "message_id")) == (
        ["not_sent", "sent"],
        ("sent", "m1"),
    )


def test_a_mail_that_left_beside_another_of_its_address_is_told_on_its_lead(build: Any) -> None:
    """The log keeps one mail an address, and the truth does not crash who records it."""
    campaign = build.campaign(build.account(), leads=["x@y.test", "X@y.test"])
    run = build.begin(campaign)
    zombie, lead = build.open(campaign, run)
    build.record(zombie, "not_sent", again_after=999)
    build.mail(campaign, run)
    first = build.record(zombie, "sent", at=5, message="m1")
    assert (first, build.fields("campaign_leads", lead, "status", "message_id")) == (
        "sent",
        ("sent", "m1"),
    )
    assert build.fields("send_attempts", zombie, "outcome", "detail") == (
        "not_sent",
        "sent all the same, beside another lead of this address",
    )


def test_an_unknown_attempt_is_said_to_be_unknown(call: Any) -> None:
    """A begin that never committed."""
    assert call.record_outcome(attempt=uuid4(), became="sent") == {"answer": "unknown"}


@pytest.mark.parametrize("table", ["campaign_leads", "campaigns", "leads"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_log_outlives_the_rows_it_speaks_of(
    build: Any, campaign: UUID, run: UUID, table: str, outcome: str
) -> None:
    """Deleted meanwhile: the outcome is recorded all the same."""
    attempt, _ = build.open(campaign, run)
    build.db.execute(f"delete from {table}")  # noqa: S608 - literals above
    build.record(attempt, outcome)
    assert build.fields("send_attempts", attempt, "outcome") == (outcome,)


# --- not sent: waits that grow, and their end -----------------------------------------------------


def test_waits_grow_from_a_minute_to_an_hour(build: Any) -> None:
    """Doubling each time a passing failure repeats itself."""
    campaign = build.campaign(build.account(), leads=1)
    run, at, waited = build.begin(campaign), 0, []
    for _ in range(9):
        attempt, _ = build.open(campaign, run, at=at)
        build.record(attempt, "not_sent", at=at, why="away")
        wait = build.claim(campaign, run, at=at)["wait_seconds"]
        waited.append(wait)
        at += wait
    assert waited == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def fail_for(build: Any, campaign: UUID, run: UUID, *hours: float, **more: Any) -> UUID:
    for hour in hours:
        attempt, lead = build.open(campaign, run, at=hour * HOUR)
        build.record(attempt, "not_sent", at=hour * HOUR, why="away", **more)
    return lead


def test_after_a_day_of_passing_failures_the_lead_fails(build: Any) -> None:
    """With the last reason."""
    campaign = build.campaign(build.account(), leads=1)
    lead = fail_for(build, campaign, build.begin(campaign), 0, 12, 24.1)
    assert build.fields("campaign_leads", lead, "status", "error") == (
        "failed",
        "tried for a day: away",
    )


def test_a_failure_before_a_long_pause_does_not_count_as_a_day_of_them(build: Any) -> None:
    """The campaign was paused over the weekend: one failure before, one after."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    lead = fail_for(build, campaign, run, 0, 72)
    wait = build.claim(campaign, run, at=72 * HOUR)["wait_seconds"]
    assert (build.fields("campaign_leads", lead, "status"), wait) == (("pending",), 60)


def test_quota_never_fails_a_lead(build: Any) -> None:
    """Where the time is known, a week of it is only a week."""
    campaign = build.campaign(build.account(), leads=1)
    lead = fail_for(build, campaign, build.begin(campaign), 0, 20, 40, 60, again_after=60)
    assert build.fields("campaign_leads", lead, "status") == ("pending",)


def test_not_sent_on_a_cancelled_campaign_cancels_the_lead(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """Cancelling left it alone since it had an open attempt."""
    attempt, lead = build.open(campaign, run)
    call.cancel_campaign(campaign=campaign)
    left_alone = build.fields("campaign_leads", lead, "status")
    build.record(attempt, "not_sent", again_after=0)
    assert (left_alone, build.fields("campaign_leads", lead, "status")) == (
        ("pending",),
        ("cancelled",),
    )


def test_not_sent_waits_for_a_cancel_that_is_under_way(
    build: Any, another: Callable[[], Any], campaign: UUID, run: UUID
) -> None:
    """Both at the same moment: no lead stays pending in a cancelled campaign."""
    attempt, lead = build.open(campaign, run)
    canceller, recorder = another(), another()
    with ThreadPoolExecutor(1) as pool:
        with canceller.db.transaction():
            canceller.cancel_campaign(campaign=campaign)
            recorded = pool.submit(recorder.record_outcome, attempt=attempt, became="not_sent")
            build.until_blocked()
        assert recorded.result(10) == {"answer": "not_sent"}
    assert build.fields("campaign_leads", lead, "status") == ("cancelled",)


# --- what an outcome does to its campaign and account -----------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "left"), [("sent", 0), ("refused", 0), ("unclear", 0), ("not_sent", 2)]
)
def test_a_lead_that_is_done_sets_the_crash_count_back(
    build: Any, campaign: UUID, run: UUID, outcome: str, left: int
) -> None:
    """Not sent does not: what settles a lead that kills every run would make an endless loop."""
    build.db.execute("update campaigns set crash_count = 2")
    build.mail(campaign, run, outcome)
    assert build.fields("campaigns", campaign, "crash_count") == (left,)


def test_a_mail_that_left_ends_the_doubling_of_quota_pauses(build: Any, call: Any) -> None:
    """Once the pause is over; one that was in flight when it began does not."""
    account = build.account()
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    in_flight, _ = build.open(campaign, run)
    call.pause_account(account=account, seconds=900, at=1)
    build.record(in_flight, "sent", at=2)
    during = build.fields("accounts", account, "quota_pauses")
    build.mail(campaign, run, at=1000)
    assert (during, build.fields("accounts", account, "quota_pauses")) == ((1,), (0,))


def test_a_mail_that_left_ends_the_doubling_of_rate_pauses(build: Any, call: Any) -> None:
    account = build.account()
    campaign = build.campaign(account, leads=1)
    call.pause_account(account=account, seconds=None, brief=True, at=0)
    during = build.fields("accounts", account, "rate_pauses")
    build.mail(campaign, build.begin(campaign), at=1000)
    assert (during, build.fields("accounts", account, "rate_pauses")) == ((1,), (0,))


# --- what is in doubt -------------------------------------------------------------------------------


def test_open_attempts_are_listed_with_all_that_settling_needs(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """And with their age: machines' clocks differ."""
    attempt, lead = build.open(campaign, run, draft="d1", token="o3")
    sender = build.fields("campaign_leads", lead, "assigned_account_id")[0]
    assert call.rows("list_open_attempts", campaign=campaign, at=90) == [
        {
            "id": str(attempt),
            "campaign_id": str(campaign),
            "campaign_lead_id": str(lead),
            "account_id": sender,
            "address": build.fields("send_attempts", attempt, "address")[0],
            "account": "ann@us.test",
            "draft_id": "d1",
            "thread_id": None,
            "search_token": "o3",
            "joins": False,
            "age_seconds": 90,
            "campaign_cancelled": False,
            "campaign_paused": False,
        }
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update campaigns set status = 'cancelled'", (True, False)),
        ("update campaigns set paused_at = now()", (False, True)),
        ("delete from campaigns", (True, False)),
    ],
)
def test_open_attempts_tell_what_became_of_their_campaign(
    build: Any, call: Any, campaign: UUID, run: UUID, change: str, expected: tuple[bool, bool]
) -> None:
    """A deleted campaign is a cancelled one."""
    build.open(campaign, run)
    build.db.execute(change)
    listed = call.list_open_attempts()
    assert (listed["campaign_cancelled"], listed["campaign_paused"]) == expected


def test_what_is_settled_is_no_longer_listed(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """Nor what belongs to another campaign, when one is asked for."""
    build.mail(campaign, run)
    build.open(campaign, run)
    assert (
        call.rows("list_open_attempts", campaign=uuid4()),
        len(call.rows("list_open_attempts")),
    ) == ([], 1)

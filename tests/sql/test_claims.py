"""claim_leads, fail_lead, defer_lead: who gets which lead, and when it may go."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

DAY = 24 * 60 * 60


def waits(answer: Any) -> list[float]:
    return [claim["wait_seconds"] for claim in answer["claims"]]


def lead_ids(answer: Any) -> list[UUID]:
    return [UUID(claim["id"]) for claim in answer["claims"]]


# --- what a claim is ------------------------------------------------------------------------


def test_a_claim_holds_all_that_the_mail_needs_and_no_secret(build: Any) -> None:
    """Sender, lead and company as their rows have them; the address trimmed."""
    account = build.account(sender_name="Ann", reply_to="re@us.test", access_token="secret")
    company = build.company("Acme", domain="acme.test")
    campaign = build.campaign(account)
    lead = build.in_campaign(
        campaign,
        build.lead(
            " bob@acme.test ", name="Bob", role="CEO", custom_fields={"x": 1}, company_id=company
        ),
        account,
    )
    batch, run = uuid4(), build.begin(campaign)
    assert build.claim(campaign, run, batch=batch) == {
        "answer": "claimed",
        "claims": [
            {
                "id": str(lead),
                "token": str(batch),
                "wait_seconds": 0,
                "sender": {
                    "id": str(account),
                    "email": "ann@us.test",
                    "name": "Ann",
                    "reply_to": "re@us.test",
                },
                "lead": {
                    "email": "bob@acme.test",
                    "name": "Bob",
                    "role": "CEO",
                    "custom_fields": {"x": 1},
                },
                "company": {
                    "name": "Acme",
                    "domain": "acme.test",
                    "email_subject": "Hello",
                    "email_template": "Hi {name}",
                },
                "subject_variables": False,
                "follows": None,
                "own_text": False,
                "draft": None,
            }
        ],
    }


@pytest.mark.parametrize("fields", ["[1]", '"x"', "null", "7"])
def test_custom_fields_that_are_no_object_are_none(build: Any, fields: str) -> None:
    """Old rows hold anything."""
    account = build.account()
    campaign = build.campaign(account, leads=1)
    build.db.execute("update leads set custom_fields = %s::jsonb", (fields,))
    claimed = build.claim(campaign, build.begin(campaign))
    assert claimed["claims"][0]["lead"]["custom_fields"] == {}


def test_the_same_batch_gets_the_same_leads(build: Any) -> None:
    """A claim whose answer was lost is asked for again; nothing moves."""
    campaign = build.campaign(build.account(), leads=5)
    run, batch = build.begin(campaign), uuid4()
    first = build.claim(campaign, run, batch=batch, most=3, pace=2)
    before = build.everything()
    again = build.claim(campaign, run, batch=batch, most=3, pace=2)
    assert (again, build.everything()) == (first, before)


def test_two_batches_share_no_lead(build: Any) -> None:
    """What one batch holds the other does not get."""
    campaign = build.campaign(build.account(), leads=5)
    run = build.begin(campaign)
    first = lead_ids(build.claim(campaign, run, most=3))
    second = lead_ids(build.claim(campaign, run, most=3))
    assert (len(first), len(second), set(first) & set(second)) == (3, 2, set())


def test_a_lead_that_somebody_holds_is_passed_over(build: Any, another: Callable[[], Any]) -> None:
    """A web app that is at one row delays that lead alone, and never busily."""
    campaign = build.campaign(build.account(), leads=2)
    run, other = build.begin(campaign), another()
    held = build.db.execute("select id from campaign_leads order by id limit 1").fetchone()[0]
    with other.db.transaction():
        other.db.execute("select from campaign_leads where id = %s for update", (held,))
        claimed = lead_ids(build.claim(campaign, run))
        later = build.claim(campaign, run, at=1)
    assert (held in claimed, len(claimed), later["answer"]) == (False, 1, "later")
    assert later["wait_seconds"] > 0


# --- who may claim --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("paused_at = now()", "paused"),
        ("status = 'cancelled'", "cancelled"),
        ("status = 'error'", "superseded"),
        ("run_id = gen_random_uuid()", "superseded"),
    ],
)
def test_who_may_not_send_gets_no_lead(build: Any, change: str, reason: str) -> None:
    """Paused, cancelled, ended, or another run's: said, and nothing changed."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    build.db.execute(f"update campaigns set {change}")  # noqa: S608 - literals above
    before = build.everything()
    answer = build.claim(campaign, run)
    assert (answer, build.everything()) == ({"answer": "stopped", "reason": reason}, before)


def test_a_campaign_that_was_deleted_gives_no_lead(build: Any) -> None:
    """Nobody owns what is not there."""
    answer = build.claim(uuid4(), uuid4())
    assert answer == {"answer": "stopped", "reason": "superseded"}


def test_nothing_left_is_done(build: Any) -> None:
    """All sent: no time is waited for."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    build.mail(campaign, run)
    assert build.claim(campaign, run) == {"answer": "done"}


# --- expiry and fencing ---------------------------------------------------------------------


def test_a_claim_that_nobody_began_expires(build: Any) -> None:
    """Its time plus the claim's seconds; until then the answer says when, then it goes again."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    first = lead_ids(build.claim(campaign, run))
    later = build.claim(campaign, run, at=20)
    again = lead_ids(build.claim(campaign, run, at=120))
    assert (later, again) == (
        {"answer": "later", "wait_seconds": 100, "waiting_for": "leads that are being sent"},
        first,
    )


def test_a_zombie_cannot_begin_what_was_claimed_anew(build: Any) -> None:
    """Its token is the old one: nothing is written, and the new claim is untouched."""
    campaign = build.campaign(build.account(), leads=1)
    zombie = build.begin(campaign)
    stale = build.claim(campaign, zombie)["claims"][0]
    run = build.begin(campaign, at=130)
    fresh = build.claim(campaign, run, at=130)["claims"][0]
    refused = build.attempt(stale, zombie, at=131)
    begun = build.attempt(fresh, run, at=131)
    assert (refused, begun["answer"]) == (
        {"answer": "not_ours", "reason": "another run claimed the lead"},
        "go",
    )


def test_a_claim_that_expired_begins_nothing(build: Any) -> None:
    """Even if nobody took the lead meanwhile; it is free at once."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    refused = build.attempt(claim, run, at=120)
    assert refused == {"answer": "not_ours", "reason": "the claim has expired"}
    assert build.fields("campaign_leads", UUID(claim["id"]), "status", "claim_token") == (
        "pending",
        None,
    )


# --- pace -----------------------------------------------------------------------------------


def test_each_lead_gets_its_slot_thirty_seconds_ahead(build: Any) -> None:
    """One every 2 s, the first at once, the last at 30 s; the account remembers where it is."""
    account = build.account()
    campaign = build.campaign(account, leads=20)
    answer = build.claim(campaign, build.begin(campaign), pace=2)
    assert waits(answer) == [2.0 * n for n in range(16)]
    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:32+00:00",)


def test_the_next_claim_goes_on_where_the_last_one_ended(build: Any) -> None:
    """Ten seconds on, five more slots are in reach."""
    campaign = build.campaign(build.account(), leads=30)
    run = build.begin(campaign)
    build.claim(campaign, run, pace=2)
    answer = build.claim(campaign, run, at=10, pace=2)
    assert waits(answer) == [22.0, 24.0, 26.0, 28.0, 30.0]


def test_leads_out_of_reach_go_later_and_the_answer_says_when(build: Any) -> None:
    """When half of the thirty seconds is left: not a claim for each mail."""
    campaign = build.campaign(build.account(), leads=20)
    run = build.begin(campaign)
    build.claim(campaign, run, pace=2)
    assert build.claim(campaign, run, pace=2) == {
        "answer": "later",
        "wait_seconds": 17,
        "waiting_for": "the pace of ann@us.test",
    }


def test_two_campaigns_share_an_accounts_pace(build: Any) -> None:
    """Half the reach each, and no slot twice; who holds half of its share asks again."""
    account = build.account()
    one, two = build.campaign(account, leads=20), build.campaign(account, leads=20)
    first, second = build.begin(one), build.begin(two)
    slots = waits(build.claim(one, first, pace=2)) + waits(build.claim(two, second, pace=2))
    assert slots == [2.0 * n for n in range(16)]
    later = build.claim(one, first, pace=2)
    assert (later["answer"], later["wait_seconds"]) == ("later", 17)


def test_campaigns_take_turns_whoever_asks_first(build: Any) -> None:
    """One is ahead and asks first each second: no slot is lost, and each gets its third of a minute."""
    account = build.account()
    campaigns = [build.campaign(account, leads=90) for _ in range(3)]
    runs = [build.begin(campaigns[0], lease=600)]
    sent: list[tuple[float, int]] = []
    for at in range(120):
        if at == 5:
            runs += [build.begin(campaign, at=at, lease=600) for campaign in campaigns[1:]]
        for number, run in enumerate(runs):
            answer = build.claim(campaigns[number], run, at=at, pace=1)
            if answer["answer"] == "claimed":
                sent += [(at + wait, number) for wait in waits(answer)]
    assert sorted(slot for slot, _ in sent) == [float(n) for n in range(len(sent))]
    begin = next(slot for slot, number in sorted(sent) if number == 2)
    minutes = range(int(begin), 60)
    assert minutes
    for minute in minutes:
        shares = Counter(number for slot, number in sent if minute <= slot < minute + 60)
        assert min(shares[number] for number in range(3)) >= 15, (minute, shares)


def test_a_campaign_whose_run_is_dead_does_not_halve_the_reach(build: Any) -> None:
    """Only live leases share."""
    account = build.account()
    dead, alive = build.campaign(account, leads=1), build.campaign(account, leads=20)
    build.begin(dead, at=-100)
    assert len(build.claim(alive, build.begin(alive), pace=2)["claims"]) == 16


def test_a_slow_pace_hands_out_one_lead(build: Any) -> None:
    """However far ahead its slot is; the next one when that is due."""
    campaign = build.campaign(build.account(), leads=4)
    run = build.begin(campaign)
    due, ahead = (build.claim(campaign, run, pace=600) for _ in range(2))
    build.attempt(due["claims"][0], run, pace=600)
    later = build.claim(campaign, run, at=1, pace=600)
    third = build.claim(campaign, run, at=600, pace=600)
    assert (waits(due), waits(ahead), waits(third)) == ([0.0], [600.0], [600.0])
    assert later["answer"] == "later"


def test_an_account_keeps_its_own_pace(build: Any) -> None:
    """pace_seconds of the row wins over the default; accounts run side by side."""
    slow, fast = build.account("a@us.test", pace_seconds=10), build.account("b@us.test")
    campaign = build.campaign(slow, fast, leads=12)
    answer = build.claim(campaign, build.begin(campaign), pace=5)
    by_sender = {
        email: [c["wait_seconds"] for c in answer["claims"] if c["sender"]["email"] == email]
        for email in ("a@us.test", "b@us.test")
    }
    assert by_sender == {
        "a@us.test": [0.0, 10.0, 20.0, 30.0],
        "b@us.test": [0.0, 5.0, 10.0, 15.0, 20.0, 25.0],
    }


@pytest.mark.parametrize("pace", ["1e15", "Infinity", "NaN"])
def test_a_pace_that_no_calendar_holds_stops_no_run(build: Any, pace: str) -> None:
    """It counts as one mail a day."""
    account = build.account()
    campaign = build.campaign(account, leads=2)
    build.db.execute("update accounts set pace_seconds = %s::float8", (pace,))
    answer = build.claim(campaign, build.begin(campaign))
    assert waits(answer) == [0.0]
    assert build.fields("accounts", account, "next_send_at") == ("2026-11-25T09:00:00+00:00",)


def test_without_a_pace_the_batch_is_the_limit(build: Any) -> None:
    """The share of each account, all at once."""
    campaign = build.campaign(build.account("a@us.test"), build.account("b@us.test"), leads=20)
    answer = build.claim(campaign, build.begin(campaign), most=10)
    assert waits(answer) == [0.0] * 10


# --- caps, pauses, unusable accounts ----------------------------------------------------------


def test_the_daily_cap_counts_what_left_or_may_have_for_a_rolling_day(build: Any) -> None:
    """Sent, open and unclear count, refused and not sent do not, nor what is a day old."""
    account = build.account(daily_limit=5)
    build.past_mails(account, DAY - 1, outcome="sent")
    build.past_mails(account, 100, outcome=None)
    build.past_mails(account, 50, outcome="unclear")
    build.past_mails(account, 40, outcome="refused")
    build.past_mails(account, 30, outcome="not_sent")
    build.past_mails(account, DAY + 1, outcome="sent")
    campaign = build.campaign(account, leads=9)
    assert len(build.claim(campaign, build.begin(campaign))["claims"]) == 2


def test_at_the_cap_leads_wait_until_the_first_mail_is_a_day_old(build: Any) -> None:
    """Deferred, never failed."""
    account = build.account(daily_limit=3)
    build.past_mails(account, 3000, 2000, 1000)
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    later = build.claim(campaign, run)
    assert later == {
        "answer": "later",
        "wait_seconds": DAY - 3000,
        "waiting_for": "the daily limit of ann@us.test (3)",
    }
    assert build.lead_states(campaign) == {"pending": 2}
    assert len(build.claim(campaign, run, at=DAY - 3000)["claims"]) == 1


def test_a_lowered_limit_waits_for_enough_mails_to_age(build: Any) -> None:
    """Five went out, two are allowed now: the fourth oldest has to be a day old."""
    account = build.account(daily_limit=2)
    build.past_mails(account, 5000, 4000, 3000, 2000, 1000)
    campaign = build.campaign(account, leads=1)
    later = build.claim(campaign, build.begin(campaign))
    assert later["wait_seconds"] == DAY - 2000


def test_what_was_counted_down_is_counted_anew_a_day_later(build: Any) -> None:
    """A claim takes no more than the first mail of the day left, and at zero asks again."""
    account = build.account(daily_limit=3)
    build.past_mails(account, 2000, 1000)
    campaign = build.campaign(account, leads=5)
    run = build.begin(campaign, lease=2 * DAY)
    build.mail(campaign, run)
    assert build.claim(campaign, run, at=1)["wait_seconds"] == DAY - 2001
    assert len(build.claim(campaign, run, at=DAY - 999)["claims"]) == 2


def test_a_late_word_counts_against_the_daily_limit(build: Any) -> None:
    """Two of four did not leave, and then one of them had left after all: no fifth mail."""
    account = build.account(daily_limit=4)
    campaign = build.campaign(account, leads=8)
    run = build.begin(campaign)
    late, _ = build.open(campaign, run)
    build.record(late, "not_sent", why="x")
    build.mail(campaign, run, "not_sent", why="x")
    for _ in range(3):
        build.mail(campaign, run)
    build.record(late, "sent")
    assert build.claim(campaign, run, at=1)["answer"] == "later"


@pytest.mark.parametrize("hindrance", ["capped", "paused"])
def test_an_account_that_cannot_send_now_hides_nobody(build: Any, hindrance: str) -> None:
    """The other account's leads go; then the wait of the first is told."""
    held, free = build.account("a@us.test"), build.account("b@us.test")
    if hindrance == "capped":
        build.db.execute("update accounts set daily_limit = 1 where id = %s", (held,))
        build.past_mails(held, DAY - 500)
    else:
        build.sql.pause_account(account=held, seconds=500, at=0)
    campaign = build.campaign(held, free, leads=4)
    run = build.begin(campaign)
    claims = build.claim(campaign, run)["claims"]
    for claim in claims:
        attempt = uuid4()
        build.attempt(claim, run, attempt=attempt)
        build.record(attempt, "sent")
    later = build.claim(campaign, run)
    assert ({c["sender"]["email"] for c in claims}, len(claims)) == ({"b@us.test"}, 2)
    assert (later["answer"], later["wait_seconds"]) == ("later", 500)


def test_an_unusable_account_fails_its_leads_and_leaves_open_attempts_alone(build: Any) -> None:
    """Those that nobody began, with the reason; the other account's go on."""
    bad, good = build.account("a@us.test"), build.account("b@us.test")
    campaign = build.campaign(bad, good, leads=6)
    run = build.begin(campaign)
    begun = next(
        c for c in build.claim(campaign, run)["claims"] if c["sender"]["email"] == "a@us.test"
    )
    build.attempt(begun, run)
    build.sql.mark_account_unusable(account=bad, reason="access was revoked")
    build.claim(campaign, run, at=130)
    rows = build.db.execute(
        "select status::text, error, open_attempt_id is not null from campaign_leads"
        " where assigned_account_id = %s order by 1, 3",
        (bad,),
    ).fetchall()
    failed = ("failed", "a@us.test cannot send: access was revoked", False)
    assert rows == [failed, failed, ("pending", None, True)]
    assert build.lead_states(campaign) == {"failed": 2, "pending": 4}


# --- rows that are gone or broken -------------------------------------------------------------


def test_leads_without_their_rows_fail_with_the_reason(build: Any) -> None:
    """A deleted lead, a deleted company, no address: they never hide and stop nobody else."""
    account = build.account()
    campaign = build.campaign(account, leads=1)
    build.db.execute("alter table leads alter email drop not null")
    build.db.execute("alter table leads drop constraint leads_company_id_fkey")
    gone = build.in_campaign(campaign, None, account)
    orphan = build.in_campaign(campaign, build.lead(company_id=uuid4()), account)
    blank = build.in_campaign(campaign, build.lead("  "), account)
    null = build.in_campaign(campaign, build.insert("leads", email=None), account)
    answer = build.claim(campaign, build.begin(campaign))
    reasons = [
        build.fields("campaign_leads", x, "status", "error") for x in (gone, orphan, blank, null)
    ]
    assert (len(answer["claims"]), reasons) == (
        1,
        [
            ("failed", "The lead was deleted"),
            ("failed", "The company of the lead was deleted"),
            ("failed", "The lead has no email address"),
            ("failed", "The lead has no email address"),
        ],
    )


def test_a_lead_without_a_company_is_claimed(build: Any) -> None:
    """Whether it can be rendered is not for the database to say."""
    account = build.account()
    campaign = build.campaign(account)
    build.in_campaign(campaign, build.lead(), account)
    claim = build.claim(campaign, build.begin(campaign))["claims"][0]
    assert set(claim["company"].values()) == {None}


def test_a_row_that_is_deleted_after_the_claim_fails_when_the_batch_is_asked_again(
    build: Any,
) -> None:
    """The repeated answer never holds an empty claim."""
    campaign = build.campaign(build.account(), leads=2)
    run, batch = build.begin(campaign), uuid4()
    first = build.claim(campaign, run, batch=batch)
    build.db.execute("delete from leads where email = %s", (first["claims"][0]["lead"]["email"],))
    again = build.claim(campaign, run, batch=batch)
    assert again == {"answer": "claimed", "claims": [first["claims"][1]]}


@pytest.mark.parametrize("lost", ["unassigned", "elsewhere"])
def test_a_lead_whose_account_left_the_campaign_is_waited_for_without_haste(
    build: Any, lost: str
) -> None:
    """The next run says what is wrong; this one must not spin."""
    account = build.account()
    campaign = build.campaign(account)
    sender = None if lost == "unassigned" else build.account("b@us.test")
    build.in_campaign(campaign, build.lead(), sender)
    answer = build.claim(campaign, build.begin(campaign))
    assert answer["answer"] == "later"
    assert answer["wait_seconds"] >= 1


# --- what waits -------------------------------------------------------------------------------


def test_a_deferred_lead_goes_at_its_time(build: Any) -> None:
    """Not before; the answer says when."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    build.mail(campaign, run, "not_sent", again_after=300, why="away")
    later = build.claim(campaign, run, at=100)
    then = build.claim(campaign, run, at=300)
    assert (later, then["answer"]) == (
        {
            "answer": "later",
            "wait_seconds": 200,
            "waiting_for": "leads that are to be tried again",
        },
        "claimed",
    )


def test_mails_in_doubt_are_waited_for_until_they_can_be_settled(build: Any) -> None:
    """settle_seconds after they began; then again from time to time, never at once."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    build.open(campaign, run)
    early = build.claim(campaign, run, at=20, settle_seconds=120)
    late = build.claim(campaign, run, at=500, settle_seconds=120)
    doubt = {"answer": "later", "waiting_for": "mails whose delivery is in doubt"}
    assert (early, late) == ({**doubt, "wait_seconds": 100}, {**doubt, "wait_seconds": 15})


def test_the_earliest_of_all_waits_is_told(build: Any) -> None:
    """A capped account for hours, a lead in doubt for two minutes: two minutes."""
    capped, other = build.account("a@us.test", daily_limit=1), build.account("b@us.test")
    build.past_mails(capped, 10)
    campaign = build.campaign(capped, other, leads=2)
    run = build.begin(campaign)
    build.open(campaign, run)
    assert build.claim(campaign, run)["wait_seconds"] == 120


# --- leads that never come to an attempt --------------------------------------------------------


def test_a_lead_whose_mail_cannot_be_made_fails_by_its_holder_alone(build: Any, call: Any) -> None:
    """A stranger's token changes nothing, and a repeated call neither."""
    campaign = build.campaign(build.account(), leads=1)
    claim = build.claim(campaign, build.begin(campaign))["claims"][0]
    lead, token = UUID(claim["id"]), UUID(claim["token"])
    stranger = call.fail_lead(lead=lead, claim=uuid4(), why="x")
    failed = call.fail_lead(lead=lead, claim=token, why="no template")
    before = build.everything()
    call.fail_lead(lead=lead, claim=token, why="no template")
    assert (stranger, failed) == ({"answer": "not_ours"}, {"answer": "failed"})
    assert build.fields("campaign_leads", lead, "status", "error") == ("failed", "no template")
    assert build.everything() == before


def defer(build: Any, campaign: UUID, run: UUID, *, at: float, **more: Any) -> UUID:
    claim = build.claim(campaign, run, at=at)["claims"][0]
    answer = build.sql.defer_lead(
        attempt=uuid4(), lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
        mail_address=claim["lead"]["email"], why="away", at=at, **more,
    )  # fmt: skip
    assert answer == {"answer": "deferred"}
    return UUID(claim["id"])


def test_a_lead_that_cannot_be_made_ready_now_waits_and_is_noted(build: Any) -> None:
    """As an attempt that was not sent, so that a day of it can be counted."""
    campaign = build.campaign(build.account(), leads=1)
    lead = defer(build, campaign, build.begin(campaign), at=0)
    noted = build.db.execute(
        "select campaign_lead_id, outcome, detail, draft_id from send_attempts"
    ).fetchall()
    assert noted == [(lead, "not_sent", "away", None)]
    assert build.fields("campaign_leads", lead, "status", "next_attempt_at", "claim_token") == (
        "pending",
        "2026-11-24T09:01:00+00:00",
        None,
    )


def test_deferring_again_changes_nothing(build: Any, call: Any) -> None:
    """The claim is gone with the first call."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    arguments = {
        "attempt": uuid4(), "lead": UUID(claim["id"]), "claim": UUID(claim["token"]), "run": run,
        "mail_address": "x@acme.test", "why": "away", "at": 0,
    }  # fmt: skip
    call.defer_lead(**arguments)
    before = build.everything()
    assert (call.defer_lead(**arguments), build.everything()) == ({"answer": "not_ours"}, before)


def test_a_deferral_by_a_lost_claim_is_refused(build: Any, call: Any) -> None:
    """The lead is somebody else's."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    claim = build.claim(campaign, run)["claims"][0]
    answer = call.defer_lead(
        attempt=uuid4(), lead=UUID(claim["id"]), claim=uuid4(), run=run, mail_address="x", why="y"
    )
    assert answer == {"answer": "not_ours"}


def test_a_draft_that_was_left_behind_goes_with_the_next_claim(build: Any) -> None:
    """Also when the lead was put off in between, before a mail was made."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run, draft="d1", token="o7")
    build.record(attempt, "not_sent", again_after=0, thread="t1")
    first = build.claim(campaign, run, at=1)["claims"][0]["draft"]
    defer(build, campaign, run, at=200, again_after=1)
    second = build.claim(campaign, run, at=210)["claims"][0]["draft"]
    expected = {
        "id": "d1", "thread_id": "t1", "search_token": "o7", "fingerprint": None, "is_stale": False,
    }  # fmt: skip
    assert (first, second) == (expected, expected)


def test_the_draft_to_an_address_that_was_corrected_is_stale(build: Any) -> None:
    """Only the new one is checked, and it may be the old one's owner who opted out."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    attempt, _ = build.open(campaign, run, draft="d1")
    build.record(attempt, "not_sent", again_after=0)
    build.db.execute("update leads set email = 'corrected@acme.test'")
    draft = build.claim(campaign, run, at=1)["claims"][0]["draft"]
    assert (draft["id"], draft["is_stale"]) == ("d1", True)


@pytest.mark.parametrize(("is_holder", "kept"), [(True, None), (False, "d1")])
def test_a_draft_that_was_deleted_is_forgotten_for_who_holds_the_claim(
    build: Any, is_holder: bool, kept: str | None
) -> None:
    """All attempts that had it: the sweep asks whether any may still send it."""
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    for at in (0, 1):
        attempt, lead = build.open(campaign, run, at=at, draft="d1", token="o7")
        build.record(attempt, "not_sent", again_after=0)
    claim = build.claim(campaign, run, at=2)["claims"][0]
    holder = claim["token"] if is_holder else uuid4()
    answer = build.sql.forget_draft(lead=lead, claim=holder, token="o7")
    assert answer == {"answer": "forgotten" if is_holder else "not_ours"}
    left = build.db.execute("select distinct draft_id from send_attempts").fetchall()
    assert left == [(kept,)]


def test_an_open_attempt_keeps_its_draft(build: Any) -> None:
    campaign = build.campaign(build.account(), leads=1)
    run = build.begin(campaign)
    attempt, lead = build.open(campaign, run, draft="d1", token="o7")
    (claim,) = build.db.execute("select claim_token from campaign_leads").fetchone()
    build.sql.forget_draft(lead=lead, claim=claim or uuid4(), token="o7")
    kept = build.db.execute("select draft_id from send_attempts where id = %s", (attempt,))
    assert kept.fetchone() == ("d1",)


def test_the_draft_of_another_account_is_not_handed_on(build: Any) -> None:
    """A lead that was given to another sender gets a new mail."""
    account, other = build.account("a@us.test"), build.account("b@us.test")
    campaign = build.campaign(account, other, leads=1)
    run = build.begin(campaign)
    attempt, lead = build.open(campaign, run, draft="d1")
    build.record(attempt, "not_sent", again_after=0)
    build.db.execute(
        "update campaign_leads set assigned_account_id = %s where id = %s", (other, lead)
    )
    assert build.claim(campaign, run, at=1)["claims"][0]["draft"] is None

"""What a person who watches is told, over every state in which a campaign can be."""

from datetime import UTC, datetime, time
from time import tzset
from typing import Any
from uuid import UUID

import pytest

from outreach.campaign.durations import format_duration, when
from outreach.campaign.explain import account_state, end, is_due, why_nothing_is_sent
from outreach.campaign.models import LeadCounts
from outreach.campaign.progress import (
    AccountProgress,
    Progress,
    Recent,
    mails_a_minute,
    seconds_left,
)
from outreach.campaign.snapshot import CampaignAccount, CampaignSnapshot
from outreach.preflight.campaign import estimate_chain

ID = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2026, 11, 24, 14, 20, tzinfo=UTC)
DAY = 86400


def account(**given: Any) -> AccountProgress:
    """One that has ten leads left and could send them at a mail each 2 s."""
    usual: dict[str, Any] = {
        "email": "ada@us.test", "leads": LeadCounts(pending=10, sent=5), "status": "active",
        "connected": True, "assigned": True, "pace_seconds": 2, "sent_today": 5, "daily_limit": 500,
    }  # fmt: skip
    return AccountProgress(**{**usual, **given})


def progress(*accounts: AccountProgress, **given: Any) -> Progress:
    """Running, with a live run."""
    usual = {"id": ID, "name": "Spring", "status": "running", "paused": False, "owned": True}
    return Progress.model_validate({**usual, "accounts": accounts or (account(),), **given})


def done(**given: Any) -> AccountProgress:
    return account(leads=LeadCounts(**given))


# --- why nothing moves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (progress(account(recent=Recent(mails=1, first_seconds=9, last_seconds=9))), None),
        (progress(status="draft", owned=False), f"It is a draft; `outreach campaigns start {ID}` sends it."),
        (
            progress(status="draft", owned=False, scheduled_seconds=720),
            f"It is a draft; `outreach campaigns start {ID}` makes it begin in 12 minutes (14:32).",
        ),
        (progress(done(sent=3), status="completed", owned=False), "It is completed."),
        (
            progress(done(sent=3, failed=2), status="completed", owned=False),
            f"It is completed; 2 lead(s) failed, `outreach campaigns leads {ID}` shows why.",
        ),
        (
            progress(status="error", error="No account", owned=False),
            f"It ended in error and 10 lead(s) are pending; mend the cause, then `outreach campaigns start {ID}` goes on.",
        ),
        (
            progress(done(failed=3), status="error", owned=False),
            f"It ended in error; `outreach campaigns leads {ID}` shows why its leads failed, and `outreach campaigns retry-failed {ID}` takes them up again.",
        ),
        (progress(status="cancelled", owned=False), "It was cancelled."),
        (
            progress(status="cancelled", owned=False, in_doubt=1),
            "It was cancelled; 1 mail(s) may have left: Gmail's answer is awaited, or what became of them is looked for once their sender is certainly done.",
        ),
        (
            progress(paused=True, waiting_for="a person to resume it"),
            f"It is paused until a person acts. `outreach campaigns resume {ID}` goes on.",
        ),
        (
            progress(paused=True, suspended=True, waiting_for="its run to be resumed in Prefect"),
            f"It is paused: its run is suspended in Prefect. Resume goes on with it there, and here `outreach campaigns resume {ID}`.",
        ),
        (
            progress(paused=True, paused_for="4 of its last 50 mails met dead addresses"),
            f"It is paused until a person acts, since 4 of its last 50 mails met dead addresses. `outreach campaigns resume {ID}` goes on.",
        ),
        (
            progress(owned=False, places=3, places_taken=3),
            "It is due, and all 3 places are taken (CAMPAIGNS_AT_ONCE): it begins when another campaign ends or rests.",
        ),
        (
            progress(owned=False, places=3, places_taken=2),
            f"It is due and no run was asked for yet: the dispatcher looks every minute; where none is served, `outreach campaigns start {ID}` sends it.",
        ),
        (
            progress(paused=True, cut_over=True, owned=False, waiting_for="The previous sender may have mailed some: check them, then resume."),
            f"It is paused: The previous sender may have mailed some: check them, then resume. `outreach campaigns resume {ID}` goes on.",
        ),
        (
            progress(owned=False, dispatched_seconds=130, dispatch_misses=2, silent_seconds=900),
            "Prefect was asked for a run 2 minutes ago, for the second time, and no worker has begun it; see whether one is up.",
        ),
        (
            progress(owned=False, dispatched_seconds=46, dispatch_misses=0),
            "Its run waits for a place in Prefect, and begins when there is one: its work pool or queue is paused or full, or its deployment has a limit.",
        ),
        (
            progress(owned=False, silent_seconds=80),
            f"Its run died or was cut off from the database: its lease lapsed 80 s ago. The dispatcher starts another one within a minute; where none is served, `outreach campaigns start {ID}` does.",
        ),
        (
            progress(status="scheduled", owned=False, scheduled_seconds=720),
            "It is scheduled and begins in 12 minutes (14:32).",
        ),
        (
            progress(owned=False, resume_seconds=3 * 3600, waiting_for="the daily limit of ada@us.test (500)"),
            "It waits for the daily limit of ada@us.test (500), and goes on in 3 hours (17:20).",
        ),
        (
            progress(owned=False, resume_seconds=-5),
            f"It is due and no run was asked for yet: the dispatcher looks every minute; where none is served, `outreach campaigns start {ID}` sends it.",
        ),
        (
            progress(status="scheduled", owned=False, scheduled_seconds=-1),
            f"It is due and no run was asked for yet: the dispatcher looks every minute; where none is served, `outreach campaigns start {ID}` sends it.",
        ),
        (
            progress(status="scheduled", scheduled_seconds=100),
            "Its run waits for its time and begins in 100 s (14:21).",
        ),
        (progress(resume_seconds=50), "Its run waits for its time and begins in 50 s (14:20)."),
        (progress(opens_seconds=90.0, windowed=True), "Its sending window opens in 90 s (14:21)."),
        (progress(done(sent=3)), "Every lead is done; its run is counting the end."),
        (
            progress(account(paused_seconds=900)),
            "ada@us.test may send again in 15 minutes (14:35): it waits for Gmail's quota.",
        ),
        (
            progress(account(paused_seconds=7200, rest_reason="9 of its last 50 mails met dead addresses")),
            "ada@us.test may send again in 2 hours (16:20): it waits for the end of its rest, since 9 of its last 50 mails met dead addresses.",
        ),
        (
            progress(
                account(paused_seconds=900),
                account(email="eve@us.test", sent_today=500, limit_seconds=240),
                done(sent=1),
            ),
            "All 2 accounts with leads left rest, and first eve@us.test may send again in 4 minutes (14:24): it waits for its daily limit of 500.",
        ),
        (
            progress(in_doubt=2, next_seconds=4),
            "2 mail(s) may have left: Gmail's answer is awaited, or what became of them is looked for once their sender is certainly done.",
        ),
        (
            progress(account(recent=Recent(mails=1, first_seconds=60, last_seconds=60)), next_seconds=40),
            "Its next mail leaves in 40 s (14:20), as its account's pace or a retry has it.",
        ),
        (progress(next_seconds=-1), "Its run has begun and is about to send."),
    ],
)  # fmt: skip
def test_why_nothing_is_sent_is_one_sentence_with_what_to_do(
    facts: Progress, why: str | None
) -> None:
    """Each of the states, and nothing at all while mails leave."""
    assert why_nothing_is_sent(facts, NOW) == why
    assert is_due(facts) == (why or "").startswith("It is due")


def test_one_account_that_could_send_is_not_told_of_as_resting() -> None:
    """What the others wait for is in their own lines."""
    why = why_nothing_is_sent(progress(account(paused_seconds=900), account()), NOW)

    assert why == "Its run has begun and is about to send."


# --- how fast, and until when -----------------------------------------------------------------


def test_the_rate_is_of_the_distances_between_mails() -> None:
    """Three mails in the last minute, over two accounts: two distances."""
    two = account(recent=Recent(mails=2, first_seconds=60, last_seconds=5))
    one = account(recent=Recent(mails=1, first_seconds=20, last_seconds=20))

    assert mails_a_minute(progress(two, one)) == 2
    assert mails_a_minute(progress(one)) is None
    assert mails_a_minute(progress()) is None
    assert mails_a_minute(progress(two, owned=False)) is None


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        (progress(account()), 18),  # its pace, from now on
        (progress(account(recent=Recent(mails=11, first_seconds=50, last_seconds=1))), 45),
        (progress(account(), account(pace_seconds=6)), 54),  # the slowest account's end
        (progress(account(), done(sent=9)), 18),
        (progress(account(paused_seconds=900)), 918),
        (progress(account(daily_limit=10, sent_by_hour=[5])), DAY + 8),  # 5 today, 5 tomorrow
        (progress(account(daily_limit=10, sent_by_hour=[0] * 20 + [5])), 4 * 3600 + 8),
        (
            progress(account(daily_limit=4, sent_by_hour=[0] * 23 + [4], limit_seconds=60)),
            3600 + 2 * DAY,  # the first after a minute, the others of a day ago in an hour
        ),
        (progress(account(), owned=False, resume_seconds=600), 618),
        (progress(account(status="unusable")), 0),
        (progress(account(pace_seconds=0)), None),  # nobody knows before the second mail
        (progress(done(sent=9)), None),
        (progress(paused=True), None),
        (progress(owned=False), None),
        (progress(status="scheduled", scheduled_seconds=60), None),
        (progress(account(), send_until=time(14, 20, 5), time_zone="UTC"), 34_812),  # 3 today
        (progress(send_days=[]), None),
        (progress(send_days=[1], time_zone="Nowhere"), None),
    ],
)
def test_the_end_is_the_slowest_accounts(facts: Progress, seconds: float | None) -> None:
    """By its speed of late, else by its pace, over its rests, daily limits and closed hours."""
    assert seconds_left(facts, NOW) == seconds


def test_the_end_is_told_as_a_time() -> None:
    """With the day where that is another one."""
    assert end(progress(account(pace_seconds=60)), NOW) == "in 9 minutes (14:29)"
    assert end(progress(send_days=[5], time_zone="UTC"), NOW) == "in 2 days (Fri 2026-11-27 00:00)"
    assert end(progress(paused=True), NOW) is None


def test_a_check_before_and_a_look_meanwhile_say_the_same_end() -> None:
    """700 leads at 2 s, 300 mails sent some hours ago, a ramp, a cap, weekdays and days off."""
    hours = {
        "send_days": [1, 2, 3, 4, 5], "send_from": time(9), "send_until": time(17),
        "time_zone": "Europe/Berlin",
    }  # fmt: skip
    sent = [0] * 6 + [300] + [0] * 17
    ramp = {"begin": 300, "step": 50, "days": 2, "limit": 400, "day_ends_seconds": 9000}
    mine = {"pace_seconds": 2, "sent_by_hour": sent, "status": "active", "ramp": ramp}
    acme = {"domain": "acme.test", "leads": 70, "cap": 9, "sent_by_hour": sent}
    more = {**hours, "skip_dates": ["2026-11-25", "2026-11-27"], "capped_domains": [acme]}
    checked = CampaignSnapshot(
        id=ID, name="Spring", status="draft", paused=False, wait_seconds=0, misassigned=0,
        leads=LeadCounts(pending=700), **more,
        accounts=[CampaignAccount(id=ID, email="ada@us.test", leads=700, daily_limit=500, **mine)],
    )  # fmt: skip
    watched = progress(
        account(leads=LeadCounts(pending=700), daily_limit=400, full_limit=500, **mine), **more
    )

    [before] = estimate_chain(checked, checked.accounts, NOW, pace=9, daily_limit=9)

    assert seconds_left(watched, NOW) == before


# --- an account -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (account(email=None), "no account is to send these"),
        (account(status="removed"), "was removed"),
        (account(status="unusable", status_reason="token revoked"), "cannot send: token revoked"),
        (account(status="unusable"), "cannot send: reconnect the account"),
        (account(connected=False), "has no refresh token"),
        (account(assigned=False), "is none of the campaign's accounts"),
        (done(sent=1), "done"),
        (account(paused_seconds=900), "rests for 15 minutes: Gmail's quota"),
        (account(paused_seconds=900, rest_reason="x"), "rests for 15 minutes: x"),
        (account(limit_seconds=7200), "rests for 2 hours: its daily limit of 500"),
        (
            account(limit_seconds=7200, daily_limit=25, full_limit=500),
            "rests for 2 hours: its daily limit of 25, by its ramp",
        ),
        (account(recent=Recent(mails=1, first_seconds=9, last_seconds=9)), "sending"),
        (account(recent=Recent(mails=1, first_seconds=99, last_seconds=99)), "ready"),
        (account(), "ready"),
    ],
)
def test_an_accounts_state_is_a_few_words(one: AccountProgress, state: str) -> None:
    """What keeps it from sending, if anything does."""
    assert account_state(one) == state


def test_the_campaigns_counts_are_its_accounts_together() -> None:
    """And those of leads that no account is to send."""
    facts = progress(account(), account(email=None, leads=LeadCounts(failed=1, cancelled=2)))

    assert facts.leads == LeadCounts(pending=10, sent=5, failed=1, cancelled=2)


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (119, "119 s"), (120, "2 minutes"), (7200, "2 hours"), (4 * DAY, "4 days")],
)
def test_a_duration_is_told_in_the_unit_that_says_enough(seconds: float, told: str) -> None:
    assert format_duration(seconds) == told


def test_a_time_beyond_a_change_of_the_clocks_is_that_of_its_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In Berlin they go forward on 28 March 2027: noon on Friday to 9:00 on Monday is 68 hours."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzset()
    friday = datetime(2027, 3, 26, 11, tzinfo=UTC).astimezone()
    assert when(68 * 3600, friday) == "in 3 days (Mon 2027-03-29 09:00)"
    monkeypatch.undo()
    tzset()


def test_a_time_on_another_day_has_its_day() -> None:
    assert when(DAY, NOW) == "in 24 hours (Wed 2026-11-25 14:20)"

"""A stop: the campaign is given back with what was claimed of it, and nothing is counted."""

from typing import Any
from uuid import uuid4


def test_what_was_claimed_goes_back_with_its_times(build: Any, call: Any) -> None:
    """The next run's first mail need not wait for those that were never sent."""
    account = build.account("a@us.test", pace_seconds=2)
    campaign = build.campaign(account, leads=20)
    run = build.begin(campaign)
    claims = build.claim(campaign, run)["claims"]
    build.attempt(claims[0], run)
    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:32+00:00",)

    assert call.release_run(campaign=campaign, run=run) == {"answer": "released"}

    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:02+00:00",)
    assert build.fields("campaigns", campaign, "run_id", "lease_until", "crash_count") == (None, None, 0)  # fmt: skip
    again = build.claim(campaign, build.begin(campaign, at=2), at=2)["claims"]
    assert [claim["wait_seconds"] for claim in again[:2]] == [0, 2]


def test_an_account_that_has_sent_nothing_is_free_at_once(build: Any, call: Any) -> None:
    account = build.account("a@us.test", pace_seconds=2)
    campaign = build.campaign(account, leads=20)
    run = build.begin(campaign)
    build.claim(campaign, run)

    call.release_run(campaign=campaign, run=run)

    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:00+00:00",)


def test_what_another_campaign_has_claimed_keeps_its_times(build: Any, call: Any) -> None:
    """Of an account that both use; the next claim comes after it."""
    account = build.account("a@us.test", pace_seconds=2)
    mine, theirs = build.campaign(account, leads=20), build.campaign(account, leads=20)
    my_run, their_run = build.begin(mine), build.begin(theirs)
    build.claim(mine, my_run, most=2)
    held = build.claim(theirs, their_run, most=2)["claims"]
    assert [claim["wait_seconds"] for claim in held] == [4, 6]
    build.claim(mine, my_run, most=4)

    call.release_run(campaign=mine, run=my_run)

    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:08+00:00",)


def test_a_run_that_died_leaves_no_times_behind_either(build: Any, call: Any) -> None:
    """They are freed when the next one begins."""
    account = build.account("a@us.test", pace_seconds=2)
    campaign = build.campaign(account, leads=20)
    dead = build.begin(campaign)
    build.claim(campaign, dead)
    call.crash_run(campaign=campaign, run=dead, cause="x")

    build.begin(campaign, at=5)

    assert build.fields("accounts", account, "next_send_at") == ("2026-11-24T09:00:00+00:00",)


def test_stops_without_progress_are_counted_by_nobody(build: Any, call: Any) -> None:
    """Ten in a row."""
    campaign = build.campaign(build.account("a@us.test"), leads=1)
    for at in range(10):
        run = build.begin(campaign, at=at)
        assert call.release_run(campaign=campaign, run=run) == {"answer": "released"}
        assert call.crash_run(campaign=campaign, run=run, cause="its process ended") is None
    assert build.fields("campaigns", campaign, "status", "crash_count") == ("running", 0)


def test_a_run_that_is_stopped_before_it_began_gives_its_dispatch_back(
    build: Any, call: Any
) -> None:
    """Three of them would be given up, as if no worker were there."""
    campaign = build.campaign(build.account("a@us.test"), leads=1)
    for at in range(10):
        (due,) = [call.take_due(at=at)]
        run = uuid4()
        call.note_dispatch(campaign=campaign, flow_run=str(run))
        assert (due["answer"], call.release_run(campaign=campaign, run=run)) == ("due", {"answer": "released"})  # fmt: skip


def test_a_run_that_gave_back_and_is_cancelled_cancels_its_campaign(build: Any, call: Any) -> None:
    """The stop that it obeyed was a cancellation; while another run has the campaign it is none."""
    campaign = build.campaign(build.account("a@us.test"), leads=1)
    run = build.begin(campaign)
    call.release_run(campaign=campaign, run=run)
    other = build.begin(campaign, at=1)
    assert call.cancel_run(campaign=campaign, run=run) is None
    call.release_run(campaign=campaign, run=other)

    assert call.cancel_run(campaign=campaign, run=run) is None
    call.cancel_run(campaign=campaign, run=other)

    assert build.fields("campaigns", campaign, "status") == ("cancelled",)
    assert build.lead_states(campaign) == {"cancelled": 1}

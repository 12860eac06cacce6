"""Killed at every step, cut off, doubled, suspended: no lead mailed twice, none lost."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from uuid import UUID

import pytest

from outreach import wiring
from outreach.delivery.reconciler import Settling
from outreach.local import postgres
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.chaos.conftest import World, read_steps
from tests.chaos.sender import Plan
from tests.postgrest.fixtures import Project

AT_ONCE = 4
"""Senders that die side by side: they mostly wait."""

SCOPES = pytest.mark.parametrize(
    "scopes",
    [
        "modify",
        # The other deliveries, and what they may see: with the slow tests.
        pytest.param("send", marks=pytest.mark.slow),
        pytest.param("compose", marks=pytest.mark.slow),
        pytest.param("send,readonly", marks=pytest.mark.slow),
    ],
)


@SCOPES
def test_killed_at_every_step_it_mails_each_lead_once(
    world: World, tmp_path: Path, scopes: str
) -> None:
    """SIGKILL before and after each SQL call and each HTTP request of a whole run."""
    campaigns, steps = _kill_at_every_step(world, tmp_path / "steps", scopes)

    counts = world.account_for(*campaigns)
    assert counts["sent"] + counts["unclear"] == 3 * steps
    # Drafts that may be read leave no doubt. Without reading, and of a direct mail that is nowhere
    # to be found, nobody can say whether it left.
    assert (counts["unclear"] == 0) == (scopes == "modify")


@pytest.mark.slow
def test_killed_at_every_step_over_postgrest_it_mails_each_lead_once(
    world: World, postgrest: Project, tmp_path: Path
) -> None:
    """The same on the other transport."""
    world.settings = world.settings.model_copy(
        update={"supabase_url": postgrest.url, "supabase_service_role_key": postgrest.key}
    )

    campaigns, steps = _kill_at_every_step(world, tmp_path / "steps", "modify")

    assert world.account_for(*campaigns) == {"sent": 3 * steps, "failed": 0, "unclear": 0}


@pytest.mark.parametrize("step", ["before renew_runs", "after renew_runs"])
def test_killed_as_it_renews_its_lease_it_mails_each_lead_once(world: World, step: str) -> None:
    """The step that comes by the clock, and so by no number."""
    world.settings = world.settings.model_copy(update={"send_pace_seconds": 0.8})
    campaign = world.campaign(leads=4)
    assert world.run(campaign, Plan(at=step)) == -signal.SIGKILL

    world.run_to_the_end(campaign)

    assert world.account_for(campaign) == {"sent": 4, "failed": 0, "unclear": 0}


@SCOPES
@pytest.mark.parametrize(
    "fault",
    [
        "close",
        "reset",
        "stall",
        "cut",
        "server_error_500",
        "unavailable_503",
        "rate_limit_429",
        "mail_sending_429",
        "accept_then_close",
        "accept_then_reset",
        "accept_then_500",
        "accept_then_503",
        "accept_then_stall",
        "accept_then_cut",
    ],
)
def test_whatever_gmail_answers_each_lead_is_mailed_once_or_named(
    world: World, fault: str, scopes: str
) -> None:
    """Every second send meets the fault: nothing twice, nothing lost, no lead failed wrongly."""
    campaign = world.campaign(leads=4, scopes=scopes)
    world.fault(fault, every=2, times=2, seconds=2)

    world.run(campaign)
    world.mend()
    world.run_to_the_end(campaign)

    counts = world.account_for(campaign)
    assert counts["failed"] == 0
    accepted = fault.startswith("accept")
    assert (
        counts["unclear"] == 0 or scopes == "send" or (scopes == "send,readonly" and not accepted)
    )


def test_every_call_repeated_after_a_lost_answer_changes_nothing(world: World) -> None:
    """Each SQL function is called twice, the first answer thrown away."""
    campaign = world.campaign(leads=5, accounts=2)

    world.run(campaign, Plan(twice=True))

    assert world.store.campaign_status(campaign).status == "completed"
    assert world.account_for(campaign) == {"sent": 5, "failed": 0, "unclear": 0}
    attempts = world.db.execute("select count(*), count(distinct address) from send_attempts")
    assert attempts.fetchone() == (5, 5)


def test_answers_lost_for_a_tenth_of_the_sends_cost_nothing(world: World) -> None:
    """Connections closed after acceptance, without any kill: no duplicate, and all recorded."""
    campaign = world.campaign(leads=100, accounts=2)
    world.fault("accept_then_close", every=10)

    world.run(campaign)

    assert world.account_for(campaign) == {"sent": 100, "failed": 0, "unclear": 0}


def test_three_senders_of_one_campaign_mail_each_lead_once(world: World) -> None:
    """The lease is forced to lapse again and again, so that all three believe to be the owner."""
    campaign = world.campaign(leads=60, accounts=3)
    senders = []
    for _ in range(3):
        senders.append(world.start(campaign))
        world.wait_for_mails(5 * len(senders))
        world.lapse()
    for sender in senders:
        sender.join(30)

    world.run_to_the_end(campaign)

    assert world.account_for(campaign) == {"sent": 60, "failed": 0, "unclear": 0}


def test_two_campaigns_of_the_same_people_do_not_mix(world: World) -> None:
    """An address may be mailed once in each of two campaigns that run side by side."""
    campaigns = [world.campaign(leads=10), world.campaign(leads=10)]

    for sender in [world.start(campaign) for campaign in campaigns]:
        sender.join(30)

    assert world.account_for(*campaigns) == {"sent": 20, "failed": 0, "unclear": 0}


@pytest.mark.parametrize("scopes", ["modify", "send,readonly"])
@pytest.mark.parametrize(
    "step", ["before begin_attempt", "after begin_attempt", "before POST *send"]
)
def test_a_sender_that_sleeps_past_its_claim_and_wakes_sends_nothing_twice(
    world: World, step: str, scopes: str
) -> None:
    """SIGSTOP at the worst moments; another run finishes the campaign; then SIGCONT."""
    campaign = world.campaign(leads=1, scopes=scopes)
    zombie = world.start(campaign, Plan(at=step, signal=signal.SIGSTOP))
    _until_stopped(zombie.pid)
    time.sleep(world.settings.settle_after_seconds)  # the monotonic clock cannot be moved
    world.run_to_the_end(campaign)

    os.kill(zombie.pid or 0, signal.SIGCONT)
    zombie.join(30)

    assert world.gmail.get("/sandbox/duplicates").json() == {}
    # A direct mail that was written ahead and is nowhere to be found is never sent again; one that
    # a sender posts when it wakes up, too late, is recorded as sent all the same.
    in_doubt = scopes == "send,readonly" and step == "after begin_attempt"
    assert world.account_for(campaign) == (
        {"sent": 0, "failed": 0, "unclear": 1}
        if in_doubt
        else {"sent": 1, "failed": 0, "unclear": 0}
    )


def test_a_draft_deleted_by_hand_is_named_and_not_sent_again(world: World) -> None:
    """Gone and nowhere to be found: a person has to say what became of it."""
    campaign = world.campaign(leads=1)
    world.run(campaign, Plan(at="after begin_attempt"))
    (draft,) = world.gmail.get("/sandbox/drafts").json()
    account = draft["account"]
    token = world.gmail.post(
        "/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": f"sandbox:{account}:modify",
            "client_id": "x",
            "client_secret": "x",
        },
    ).json()["access_token"]
    world.gmail.delete(
        f"/gmail/v1/users/me/drafts/{draft['id']}", headers={"Authorization": f"Bearer {token}"}
    ).raise_for_status()
    world.move_clock(60)

    world.run_to_the_end(campaign)

    assert world.account_for(campaign) == {"sent": 0, "failed": 0, "unclear": 1}
    status = world.store.campaign_status(campaign)
    assert (status.status, status.error) == ("error", "No delivery could be confirmed")


def test_an_orphan_draft_is_swept_and_no_other(world: World) -> None:
    """Killed before it wrote ahead, it left an orphan; killed after, a draft that will go out."""
    world.run(world.campaign(leads=1), Plan(at="before begin_attempt"))
    world.run(world.campaign(leads=1), Plan(at="after begin_attempt"))
    (kept,) = world.db.execute(
        "select draft_id from send_attempts where outcome is null"
    ).fetchall()

    with wiring.using(world.settings) as services:
        settling = Settling(services.store, services.mailer, services.settings)
        accounts = [account.id for account in world.store.list_accounts()]
        too_young = sum(settling.sweep(account) for account in accounts)
        swept = sum(settling.sweep(account, older_than=-60) for account in accounts)

    left = [draft["id"] for draft in world.gmail.get("/sandbox/drafts").json()]
    assert (too_young, swept, left) == (0, 1, [kept[0]])


def test_a_token_revoked_in_the_middle_fails_the_rest_and_says_why(world: World) -> None:
    """What was sent stays sent; the others say to reconnect the account."""
    campaign = world.campaign(leads=40)
    sender = world.start(campaign)
    world.wait_for_mails(5)
    account = world.gmail.get("/sandbox/mails").json()[0]["account"]
    world.gmail.post("/sandbox/revoke", json={"account": account}).raise_for_status()
    sender.join(30)

    world.run_to_the_end(campaign)

    counts = world.account_for(campaign)
    assert counts["unclear"] == 0
    assert counts["sent"] >= 5
    assert counts["sent"] + counts["failed"] == 40


def test_a_campaign_cancelled_while_its_sender_lies_dead_sends_nothing_more(world: World) -> None:
    """The draft that was left behind is taken back, the lead is cancelled."""
    campaign = world.campaign(leads=2)
    world.run(campaign, Plan(at="after begin_attempt"))

    world.store.cancel_campaign(campaign)
    world.move_clock(60)
    world.settle(campaign)

    assert world.account_for(campaign) == {"sent": 0, "failed": 0, "unclear": 0}
    left = [draft["account"] for draft in world.gmail.get("/sandbox/drafts").json()]
    assert len(left) <= 1  # one that no attempt speaks of: the sweep's


def test_the_database_restarted_in_the_middle_loses_and_doubles_nothing(
    world: World, tmp_path: Path
) -> None:
    """Postgres is killed and started again while mails are on their way."""
    home = tmp_path / "own"
    running = postgres.start(home, durable=True)
    try:
        from outreach.store.migrate import migrate  # noqa: PLC0415

        migrate(running.url)
        own = world.settings.model_copy(update={"database_url": running.url})
        store = Store(Postgres(running.url), own)
        there = World(own, store, world.db, world.gmail)
        campaign = there.campaign(leads=60)
        sender = there.start(campaign)
        there.wait_for_mails(10)
        os.kill(running.pid, signal.SIGQUIT)
        _until_gone(running.pid)  # its port is taken until then, and the address is to stay
        assert postgres.start(home, durable=True).url == running.url
        sender.join(60)
        assert there.account_for(campaign) == {"sent": 60, "failed": 0, "unclear": 0}
        store.close()
    finally:
        postgres.stop(home)


@pytest.mark.slow
def test_the_harness_notices_who_sends_first_and_records_later(
    world: World, tmp_path: Path
) -> None:
    """The naive order, killed at every step, mails somebody twice: so the harness can fail."""
    log = tmp_path / "steps"
    world.run(world.campaign(leads=2, scopes="send"), Plan(log=log, naive=True))
    steps = len(read_steps(log))

    def killed_at(step: int) -> None:
        campaign = world.campaign(leads=2, scopes="send")
        world.run(campaign, Plan(at_step=step, naive=True))
        world.lapse()
        world.move_clock(60)
        world.run(campaign, Plan(naive=True))

    for step in range(steps // 2, steps + 1):
        killed_at(step)

    assert world.gmail.get("/sandbox/duplicates").json() != {}


def _kill_at_every_step(world: World, log: Path, scopes: str) -> tuple[list[UUID], int]:
    """A campaign of three leads for each step, killed there and then run to its end."""
    steps = _shortest_run(world, log, scopes)
    assert {"before begin_attempt", "after begin_attempt", "after record_outcome"} <= set(steps)
    assert any(fnmatch(step, "after POST *send") for step in steps)

    def killed_at(step: int) -> UUID:
        campaign = world.campaign(scopes=scopes)
        assert world.run_until_killed(campaign, step)
        return campaign

    with ThreadPoolExecutor(AT_ONCE) as threads:
        campaigns = list(threads.map(killed_at, range(1, len(steps) + 1)))
        world.move_clock(60)
        list(threads.map(world.run_to_the_end, campaigns))
    return campaigns, len(steps)


def _shortest_run(world: World, log: Path, scopes: str) -> list[str]:
    """Its steps: on a slow machine a run waits, and then claims, once more than others."""
    runs = []
    for number in range(3):
        own = log.with_name(f"{log.name}-{number}")
        assert world.run(world.campaign(scopes=scopes), Plan(log=own)) == 0
        runs.append(read_steps(own))
    return min(runs, key=len)


def _until_gone(pid: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "Postgres does not end"
        threading.Event().wait(0.01)


def _until_stopped(pid: int | None, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "the sender does not stop"
        threading.Event().wait(0.01)

"""Whether an account's pace is kept, and nothing but the pace costs time.

N leads over A accounts at p seconds take N / A x p; the time from the first mail to the last has
one pause less. The distance between two mails of one account is that of their starts, as they are
written ahead; on their way to Gmail some get slower.
"""

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from benchmarks.harness import World, said, world
from benchmarks.table import Line, at_least, at_most, figure, holds

PACES = {2.0: 10, 0.5: 40, 0.2: 100}
"""Leads an account, by pace: each takes twenty seconds."""
ACCOUNTS = (1, 4, 20)
SLOWER, CLOSER = 1.02, 0.95


def run(*, quick: bool) -> Iterator[Line]:
    with world() as there:
        for pace, leads in PACES.items():
            each = 8 if quick else leads
            for accounts in ACCOUNTS:
                yield from _alone(there, pace, accounts, each)
        each = 10 if quick else 40
        yield from _together(there, 0.5, 4, each)
        yield from _with_follow_ups(there, 0.5, 4, each)
        yield from _across_a_crash(there, 0.5, 4, each)


def _alone(there: World, pace: float, accounts: int, each: int) -> Iterator[Line]:
    campaign = there.campaign(accounts * each, there.accounts(accounts, pace=pace))
    sender = there.send(campaign)
    posts = there.posts()
    name, start_up = f"pace {pace:g} s, {accounts} account(s)", posts[0][0] - sender["began"]
    yield at_most(
        f"{name}: {len(posts)} mails, after {start_up:.1f} s of start-up",
        posts[-1][0] - posts[0][0] + pace,
        SLOWER * each * pace,
        " s",
    )
    yield from _distances(there, name, [campaign], posts, pace)


def _together(there: World, pace: float, accounts: int, each: int) -> Iterator[Line]:
    """Two campaigns that share their accounts, sent by two processes."""
    shared = there.accounts(accounts, pace=pace)
    campaigns = [there.campaign(accounts * each // 2, shared) for _ in range(2)]
    name = f"pace {pace:g} s, {accounts} accounts, two campaigns in two processes"
    yield from _side_by_side(there, name, campaigns, each, pace)


def _with_follow_ups(there: World, pace: float, accounts: int, each: int) -> Iterator[Line]:
    """First mails and follow-ups that share their accounts: half the mails each."""
    shared = there.accounts(accounts, scope="modify", pace=pace)
    half = accounts * each // 2
    campaigns = [there.campaign(half, shared), there.follow_up(there.campaign(half, shared))]
    name = f"pace {pace:g} s, {accounts} accounts, first mails and follow-ups"
    yield from _side_by_side(there, name, campaigns, each, pace)


def _side_by_side(
    there: World, name: str, campaigns: list[UUID], each: int, pace: float
) -> Iterator[Line]:
    senders = [there.start("benchmarks.sender", str(campaign)) for campaign in campaigns]
    for sender in senders:
        said(sender)
    posts = there.posts()
    spent = posts[-1][0] - posts[0][0] + pace
    yield at_most(f"{name}: {len(posts)} mails", spent, SLOWER * each * pace, " s")
    yield from _distances(there, name, campaigns, posts, pace)


def _across_a_crash(there: World, pace: float, accounts: int, each: int) -> Iterator[Line]:
    """Killed in the middle; the next run begins as soon as the lease allows."""
    campaign = there.campaign(accounts * each, there.accounts(accounts, pace=pace))
    sender = there.start("benchmarks.sender", str(campaign))
    while (
        there.one("select count(*) from send_attempts where campaign_id = %s", campaign)
        < accounts * each // 2
    ):
        time.sleep(0.05)
    sender.send_signal(signal.SIGKILL)
    sender.wait()
    there.db.execute("update campaigns set lease_until = now() where id = %s", [campaign])
    there.send(campaign)
    posts = there.posts()
    name = f"pace {pace:g} s, {accounts} accounts, across a crash and a restart"
    yield from _distances(there, name, [campaign], posts, pace)
    yield holds(f"{name}: mailed twice", 0, len(posts) - len({to for _, _, to in posts}))


def _distances(
    there: World, name: str, campaigns: list[UUID], posts: list[list[Any]], pace: float
) -> Iterator[Line]:
    """Between the starts of two posts of an account, and between their arrivals at Gmail."""
    started = there.db.execute(
        "select extract(epoch from started_at), account_id from send_attempts "
        "where campaign_id = any (%s)",
        [campaigns],
    ).fetchall()
    yield at_least(f"{name}: least distance", _least(started) / pace, CLOSER, " of the pace")
    yield figure(f"{name}: least distance as Gmail sees it", _least(posts) / pace, " of the pace")


def _least(moments: Iterable[Sequence[Any]]) -> float:
    by_account: dict[Any, list[float]] = {}
    for at, account, *_ in moments:
        by_account.setdefault(account, []).append(float(at))
    return min(later - at for times in by_account.values() for at, later in pairwise(sorted(times)))

"""A month of a chain with three steps, by the clock of the test: replies, bounces, kills at random.

`CHAOS_SEED` repeats one. The accountant knows what came back when; with the rule of everybody else
(plan ahead, look never) it finds mails to people who had answered.
"""

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

HOUR, DAY = 3_600.0, 86_400.0
ROUND = 4 * HOUR
DAYS = 30
LEADS, ACCOUNTS = 300, 4
STOPS = {"reply", "bounce", "unsubscribe"}
CHANCES = {"reply": 0.12, "bounce": 0.04, "unsubscribe": 0.03, "away": 0.06}
"""Of each mail."""


@dataclass
class Event:
    at: float
    kind: str
    lead: UUID
    attempt: UUID


@dataclass
class Month:
    build: Any
    chance: random.Random
    looks: bool = True
    """Whether what came back is recorded before the next mails; else mailboxes only count as read."""
    accounts: list[UUID] = field(default_factory=list)
    chain: list[UUID] = field(default_factory=list)
    read_until: float = 0
    mailed: dict[UUID, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    """By lead: the step and the time of each mail."""
    events: list[Event] = field(default_factory=list)
    """All that came back, and when."""
    open: list[tuple[UUID, UUID, int, float]] = field(default_factory=list)
    """Mails whose sender died: attempt, lead, step, time."""

    def run(self) -> None:
        self.accounts = [self.build.account(f"s{n}@us.test") for n in range(ACCOUNTS)]
        self.chain = [self.build.campaign(*self.accounts, leads=LEADS)]
        for days in (3, 4, 5):
            step = uuid4()
            self.build.sql.add_step(root=self.chain[0], step_id=step, after_days=days, at=0)
            self.chain.append(step)
        for number in range(int(DAYS * DAY / ROUND)):
            self.round(number * ROUND)

    def round(self, at: float) -> None:
        self.settle(at)
        self.read(at)
        self.build.sql.plan_steps(at=at)
        due = {UUID(one["id"]) for one in self.build.sql.rows("take_due", at=at)}
        for number, campaign in enumerate(self.chain):
            if campaign in due or number == 0:
                self.send(campaign, number + 1, at)

    def send(self, campaign: UUID, step: int, at: float) -> None:
        run = uuid4()
        begun = self.build.sql.begin_run(campaign=campaign, run=run, lease_seconds=60.0, at=at)
        if begun["answer"] != "begun":
            return
        claims = self.build.claim(campaign, run, at=at, most=60, per_day=10_000).get("claims", [])
        for claim in claims:
            attempt, lead = uuid4(), self.lead_of(claim)
            answer = self.build.attempt(
                claim, run, at=at, attempt=attempt, per_day=10_000, token=attempt.hex,
                knows_cancelled=True, looked_seconds=1.0,
            )["answer"]  # fmt: skip
            if answer != "go":
                continue
            if self.chance.random() < 0.02:  # killed: the mail left, or not, and nobody recorded it
                self.open.append((attempt, lead, step, at))
                return
            self.left(attempt, lead, step, at)
        self.build.sql.finish_run(campaign=campaign, run=run, resume_after=60.0, at=at)

    def left(self, attempt: UUID, lead: UUID, step: int, at: float) -> None:
        self.build.record(attempt, "sent", at=at, message=attempt.hex, thread=lead.hex)
        self.mailed[lead].append((step, at))
        for kind, share in CHANCES.items():
            if self.chance.random() < share:
                when = at + self.chance.uniform(0.5, 6 * 24) * HOUR
                self.events.append(Event(when, kind, lead, attempt))

    def settle(self, at: float) -> None:
        for attempt, lead, step, began in self.open:
            if self.chance.random() < 0.5:
                self.left(attempt, lead, step, began)
            else:
                self.build.record(attempt, "not_sent", at=at, again_after=0.0)
        self.open = []

    def read(self, at: float) -> None:
        """What has arrived by now, as the reader of mailboxes records it."""
        for account in self.accounts:
            self.build.db.execute(
                "insert into mailboxes (account_id, read_at) values (%s, %s)"
                " on conflict (account_id) do update set read_at = excluded.read_at",
                (account, self.build.time(at)),
            )
        arrived = (
            [one for one in self.events if self.read_until <= one.at < at] if self.looks else []
        )
        self.read_until = at
        for event in sorted(arrived, key=lambda one: one.at):
            verdict = "dead" if event.kind == "bounce" else "none"
            self.build.sql.save_inbound(
                account=self.accounts[0],
                mail={"kind": event.kind, "received_at": self.build.time(event.at).isoformat()},
                mails=Jsonb([{"attempt": str(event.attempt), "verdict": verdict}]),
                came_by="mail",
                t=self.build.time(at),
            )

    def lead_of(self, claim: dict[str, Any]) -> UUID:
        row = self.build.db.execute(
            "select lead_id from campaign_leads where id = %s", (claim["id"],)
        ).fetchone()
        return UUID(str(row[0]))


def lived(build: Any, *, looks: bool) -> Month:
    month = Month(build, random.Random(int(os.environ.get("CHAOS_SEED", "7"))), looks)  # noqa: S311
    month.run()
    return month


def wronged(month: Month) -> list[UUID]:
    """Leads that were mailed although they had answered, bounced or opted out before the look."""
    first: dict[UUID, float] = {}
    for event in month.events:
        if event.kind in STOPS:
            first[event.lead] = min(first.get(event.lead, event.at), event.at)
    return [
        lead
        for lead, mails in month.mailed.items()
        if any(at > first.get(lead, float("inf")) for _, at in mails)
    ]


@pytest.mark.slow
@pytest.mark.chaos
def test_each_step_goes_once_to_who_did_not_answer_and_to_all_others(build: Any) -> None:
    month = lived(build, looks=True)
    answered = {event.lead for event in month.events if event.kind in STOPS}
    away = {event.lead for event in month.events if event.kind == "away"}
    steps = {lead: sorted(step for step, _ in mails) for lead, mails in month.mailed.items()}
    others = [one for lead, one in steps.items() if lead not in answered | away]
    assert len(steps) == LEADS
    assert wronged(month) == []
    assert all(len(one) == len(set(one)) for one in steps.values())
    assert (len(answered) > LEADS / 10, len(others) > LEADS / 10) == (True, True)
    assert all(one == [1, 2, 3, 4] for one in others)
    counts = [build.lead_states(campaign).get("sent", 0) for campaign in month.chain]
    assert counts == [sum(step in one for one in steps.values()) for step in (1, 2, 3, 4)]


@pytest.mark.slow
@pytest.mark.chaos
def test_the_accountant_finds_mails_to_who_answered_where_nobody_looks(build: Any) -> None:
    """The rule of everybody else."""
    assert len(wronged(lived(build, looks=False))) > LEADS / 10

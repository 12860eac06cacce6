"""Whatever several runs and people do, in whatever order: the invariants of sending hold."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import SecretStr

from outreach.store.postgres import Postgres

LEADS = 4
RUNS = st.sampled_from([0, 0, 0, 1, 2])
"""Mostly the same one, so that it gets somewhere."""
SELDOM = st.sampled_from([False] * 9 + [True])
ANY = st.integers(0, 10**6)
"""Picks one of what there is, whatever its number."""

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


def picked(items: list[Any], number: int) -> Any:
    return items[number % len(items)]


class Senders(RuleBasedStateMachine):
    """Three runs, some of them zombies, and a person, on one campaign and one clock."""

    transport: Postgres
    db: psycopg.Connection

    @initialize()
    def a_started_campaign_with_two_leads_of_one_address(self) -> None:
        name = uuid4().hex
        self.now = START
        self.runs = [uuid4() for _ in range(3)]
        self.claims: list[dict[str, Any]] = []
        self.attempts: list[UUID] = []
        self.may_have_left: dict[str, set[UUID]] = defaultdict(set)
        self.was_sent: set[str] = set()
        for sender in ("a", "b"):
            self.call("save_account", account=uuid4(), address=f"{sender}@{name}", token="t")
        self.call(
            "import_leads",
            rows=[{"email": f"lead{number}@{name}"} for number in range(LEADS)],
            list_tag=name,
        )
        self.campaign = uuid4()
        self.call(
            "create_campaign",
            campaign=self.campaign,
            campaign_name=name,
            account_addresses=[f"a@{name}", f"b@{name}"],
            lead_tag=name,
        )
        # An old database may hold an address twice; create_campaign itself would not.
        self.db.execute(
            "update leads set email = upper(%s) where email = %s",
            [f"lead0@{name}", f"lead1@{name}"],
        )
        self.call("start_campaign", campaign=self.campaign)
        self.a_run_begins(0)

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        rows = self.transport.call(function, **arguments)
        return rows[0] if rows else {}

    # --- time and people ----------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 40, 200, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(seldom=SELDOM)
    def a_person_pauses(self, seldom: bool) -> None:
        if seldom:
            self.call("pause_campaign", campaign=self.campaign)

    @rule(seldom=SELDOM)
    def a_person_resumes(self, seldom: bool) -> None:
        if seldom:
            self.call("resume_campaign", campaign=self.campaign)

    @rule(seldom=SELDOM)
    def a_person_cancels(self, seldom: bool) -> None:
        if seldom:
            self.call("cancel_campaign", campaign=self.campaign)

    @rule(seldom=SELDOM)
    def a_person_retries_what_failed(self, seldom: bool) -> None:
        if seldom:
            self.call("retry_failed", campaign=self.campaign)

    # --- runs ---------------------------------------------------------------------------

    @rule(run=RUNS)
    def a_run_begins(self, run: int) -> None:
        self.call(
            "begin_run",
            campaign=self.campaign,
            run=self.runs[run],
            lease_seconds=60.0,
            now=self.now,
        )

    @rule(run=RUNS)
    def a_run_claims(self, run: int) -> None:
        answer = self.call(
            "claim_leads",
            batch=uuid4(),
            campaign=self.campaign,
            run=self.runs[run],
            most=3,
            claim_seconds=120.0,
            default_pace=0.0,
            default_per_day=100,
            now=self.now,
        )
        for claim in answer.get("claims", []):
            assert claim["id"] not in self.was_sent
            self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(number=ANY, run=RUNS)
    def another_attempt_is_begun(self, number: int, run: int) -> None:
        self.a_run_begins_an_attempt(number, run)

    @precondition(lambda self: self.claims)
    @rule(number=ANY, run=RUNS)
    def a_run_begins_an_attempt(self, number: int, run: int) -> None:
        claim = picked(self.claims, number)
        attempt = uuid4()
        answer = self.call(
            "begin_attempt",
            attempt=attempt,
            lead=UUID(claim["id"]),
            claim=UUID(claim["token"]),
            run=self.runs[run],
            mail_address=claim["lead"]["email"],
            token="token",
            budget_seconds=30.0,
            default_pace=0.0,
            default_per_day=100,
            now=self.now,
        )
        if answer["answer"] == "go":
            address = claim["lead"]["email"].lower()
            assert not self.may_have_left[address], "a second mail may leave"
            self.may_have_left[address].add(attempt)
            self.attempts.append(attempt)

    @precondition(lambda self: self.attempts)
    @rule(number=ANY, became=st.sampled_from(["sent", "refused", "not_sent", "unclear"]))
    def somebody_records_what_became_of_an_attempt(self, number: int, became: str) -> None:
        attempt = picked(self.attempts, number)
        answer = self.call(
            "record_outcome",
            attempt=attempt,
            became=became,
            message="m",
            thread="t",
            why="why",
            now=self.now,
        )
        if answer["answer"] in {"refused", "not_sent"}:
            for left in self.may_have_left.values():
                left.discard(attempt)
        elif answer["answer"] == "sent" and became == "sent":
            self._note_sent(attempt)

    @precondition(lambda self: self.claims)
    @rule(number=ANY)
    def a_claim_fails(self, number: int) -> None:
        claim = picked(self.claims, number)
        self.call(
            "fail_lead",
            lead=UUID(claim["id"]),
            claim=UUID(claim["token"]),
            why="no",
            now=self.now,
        )

    @precondition(lambda self: self.claims)
    @rule(number=ANY, run=RUNS)
    def a_claim_is_put_off(self, number: int, run: int) -> None:
        claim = picked(self.claims, number)
        self.call(
            "defer_lead",
            attempt=uuid4(),
            lead=UUID(claim["id"]),
            claim=UUID(claim["token"]),
            run=self.runs[run],
            mail_address=claim["lead"]["email"],
            why="later",
            now=self.now,
        )

    @rule(run=RUNS, seldom=SELDOM)
    def a_run_finishes(self, run: int, seldom: bool) -> None:
        if seldom:
            self.call("finish_run", campaign=self.campaign, run=self.runs[run], now=self.now)

    @rule(run=RUNS, seldom=SELDOM)
    def a_run_crashes(self, run: int, seldom: bool) -> None:
        if seldom:
            dead = self.runs[run]
            self.call("crash_run", campaign=self.campaign, run=dead, cause="killed", now=self.now)

    # --- what always holds ----------------------------------------------------------------

    def _note_sent(self, attempt: UUID) -> None:
        row = self.db.execute(
            "select campaign_lead_id::text, lower(address) from send_attempts where id = %s",
            [attempt],
        ).fetchone()
        assert row is not None
        self.was_sent.add(row[0])
        self.may_have_left[row[1]].add(attempt)

    @invariant()
    def the_rows_agree(self) -> None:
        if not hasattr(self, "campaign"):
            return
        wrong = self.db.execute(
            """
            select 'an open attempt is not its lead''s' from campaign_leads cl
            where cl.campaign_id = %(campaign)s and cl.open_attempt_id is distinct from (
              select s.id from send_attempts s where s.campaign_lead_id = cl.id and s.outcome is null)
            union all
            select 'sent, but its lead is ' || cl.status from campaign_leads cl
            join send_attempts s on s.campaign_lead_id = cl.id and s.outcome = 'sent'
            where cl.campaign_id = %(campaign)s and cl.status <> 'sent'
            union all
            select 'a sent lead without a time or a mail' from campaign_leads cl
            where cl.campaign_id = %(campaign)s and cl.status = 'sent' and (
              cl.sent_at is null or not exists (
                select from send_attempts s where s.campaign_lead_id = cl.id
                -- ... or one that left after all, beside another lead of its address
                and (s.outcome = 'sent' or s.detail like 'sent all the same%%')))
            union all
            select 'a claim on a lead that is ' || cl.status from campaign_leads cl
            where cl.campaign_id = %(campaign)s and cl.claim_token is not null and cl.status <> 'pending'
            union all
            select 'open, but its lead is ' || cl.status from campaign_leads cl
            where cl.campaign_id = %(campaign)s and cl.open_attempt_id is not null and cl.status <> 'pending'
            union all
            select 'failed, and nobody noted why' from campaign_leads cl
            where cl.campaign_id = %(campaign)s and cl.status = 'failed' and not exists (
              -- Of the last moment: two of the same one, which only a test's clock makes, have no order.
              select from lead_failures f
              where f.campaign_lead_id = cl.id and f.reason = cl.error and f.failed_at = (
                select max(x.failed_at) from lead_failures x where x.campaign_lead_id = cl.id))
            union all
            select 'completed with pending leads' from campaigns c
            join campaign_leads cl on cl.campaign_id = c.id and cl.status = 'pending'
            where c.id = %(campaign)s and c.status = 'completed'
            """,
            {"campaign": self.campaign},
        ).fetchall()
        assert wrong == []

    @invariant()
    def nothing_undoes_sent(self) -> None:
        if getattr(self, "was_sent", None):
            rows = self.db.execute(
                "select count(*) from campaign_leads where id::text = any(%s) and status = 'sent'",
                [list(self.was_sent)],
            ).fetchone()
            assert rows == (len(self.was_sent),)


def test_any_sequence_of_calls_keeps_the_invariants(
    database: SecretStr, db: psycopg.Connection, request: pytest.FixtureRequest
) -> None:
    """Random sequences by three runs and a person: at most one mail per address may have left."""
    Senders.transport = Postgres(database)
    Senders.db = db
    request.addfinalizer(Senders.transport.close)
    machine = Senders.TestCase
    machine.settings = settings(
        max_examples=60,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()

"""Follow-ups: who is followed, when, once, and never who answered."""

from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

MIGRATIONS = Path(__file__).parents[2] / "supabase" / "migrations"
HOUR, DAY = 3_600.0, 86_400.0


class Chain:
    """A campaign of one account, its steps, and what comes back."""

    def __init__(self, build: Any, account: UUID, leads: int = 3, **values: Any) -> None:
        self.build, self.call, self.account = build, build.sql, account
        self.root: UUID = build.campaign(account, leads=leads, **values)

    def send(
        self, campaign: UUID, *, at: float, most: int = 100, looked: float | None = 1.0
    ) -> list[str]:
        """A run of the campaign at that time; the answers of its mails."""
        self.read(at)
        run = self.build.begin(campaign, at=at)
        answers = []
        batch = self.build.claim(campaign, run, at=at, most=most, per_day=10_000)
        for claim in batch.get("claims", []):
            attempt = uuid4()
            begun = self.build.attempt(
                claim, run, at=at, attempt=attempt, per_day=10_000, knows_cancelled=True,
                looked_seconds=looked, token=attempt.hex,
            )  # fmt: skip
            answers.append(begun["answer"])
            if begun["answer"] == "go":
                self.build.record(
                    attempt, "sent", at=at, message=f"m{attempt.hex}", thread=f"t{claim['id']}"
                )
        self.call.finish_run(campaign=campaign, run=run, at=at)
        return answers

    def read(self, at: float) -> None:
        """The account's mailbox was read just now."""
        self.build.db.execute(
            "insert into mailboxes (account_id, read_at) values (%s, %s)"
            " on conflict (account_id) do update set read_at = excluded.read_at",
            (self.account, self.build.time(at)),
        )

    def step(self, *, at: float = 0, **more: Any) -> UUID:
        step = uuid4()
        asked = {"after_days": 3} if "after_seconds" not in more else {}
        answer = self.call.add_step(root=self.root, step_id=step, at=at, **asked, **more)
        assert answer["answer"] == "created", answer
        return step

    def plan(self, *, at: float) -> tuple[int, int]:
        """Leads that were planned, and that were stopped."""
        told = self.call.plan_steps(at=at)
        return told["leads"], told["stopped"]

    def back(self, kind: str, lead: int = 0, *, verdict: str = "none", at: float = 0) -> None:
        """An answer to the first campaign's mail to this lead."""
        rows = self.build.db.execute(
            "select a.id from send_attempts a join campaign_leads cl on cl.id = a.campaign_lead_id"
            " where cl.campaign_id = %s order by cl.id",
            (self.root,),
        ).fetchall()
        self.call.save_inbound(
            account=self.account,
            mail={"kind": kind, "received_at": self.build.time(at).isoformat()},
            mails=Jsonb([{"attempt": str(rows[lead][0]), "verdict": verdict}]),
            came_by="mail",
            t=self.build.time(at),
        )

    def status(self, campaign: UUID) -> str:
        return str(self.build.row("campaigns", campaign)["status"])

    def reasons(self, campaign: UUID) -> list[str]:
        rows = self.build.db.execute(
            "select error from campaign_leads where campaign_id = %s and status = 'cancelled' order by error",
            (campaign,),
        ).fetchall()
        return [why for (why,) in rows]


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def chain(build: Any, account: UUID) -> Chain:
    return Chain(build, account)


def test_a_step_follows_each_lead_once_when_it_is_due(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    assert chain.plan(at=2 * DAY) == (0, 0)
    assert chain.plan(at=3 * DAY - 600) == (3, 0)
    assert chain.plan(at=3 * DAY) == (0, 0)
    assert chain.send(step, at=3 * DAY + 1) == ["go"] * 3
    assert chain.plan(at=10 * DAY) == (0, 0)
    assert (chain.status(chain.root), chain.status(step)) == ("completed", "completed")
    assert chain.build.lead_states(step) == {"sent": 3}


def test_each_lead_is_followed_from_the_account_that_mailed_it(build: Any, account: UUID) -> None:
    chain = Chain(build, account)
    chain.root = build.campaign(account, build.account("ben@us.test"), leads=4)
    chain.step()
    chain.send(chain.root, at=0)
    assert chain.plan(at=3 * DAY) == (4, 0)
    senders = build.db.execute(
        "select cl.assigned_account_id, p.assigned_account_id from campaign_leads cl"
        " join campaign_leads p on p.id = cl.previous_id"
    ).fetchall()
    assert [own for own, _ in senders] == [before for _, before in senders]
    assert len(set(senders)) == 2


def test_nobody_is_mailed_before_the_time(chain: Chain) -> None:
    """Planned a quarter of an hour ahead; a claim takes them when they are due."""
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY - 600)
    assert chain.send(step, at=3 * DAY - 300) == []
    assert chain.send(step, at=3 * DAY) == ["go"] * 3


def test_three_steps_follow_one_another(chain: Chain) -> None:
    second, third = chain.step(after_seconds=HOUR), chain.step(after_seconds=2 * HOUR)
    chain.send(chain.root, at=0)
    chain.plan(at=HOUR)
    chain.send(second, at=HOUR)
    chain.plan(at=3 * HOUR)
    assert chain.send(third, at=3 * HOUR) == ["go"] * 3
    chain.plan(at=20 * HOUR)
    chain.plan(at=40 * HOUR)
    assert [chain.status(one) for one in (chain.root, second, third)] == ["completed"] * 3


@pytest.mark.parametrize(
    ("kind", "verdict", "why"),
    [
        ("reply", "none", "answered on 2026-11-25"),
        ("bounce", "dead", "bounced on 2026-11-25"),
        ("unsubscribe", "none", "opted out on 2026-11-25"),
        ("unreadable", "none", "a mail in its thread could not be read on 2026-11-25"),
        ("bounce", "none", "bounced on 2026-11-25"),
    ],
)
@pytest.mark.parametrize("when", ["before it is planned", "before it is mailed"])
def test_who_answered_gets_no_follow_up(
    chain: Chain, kind: str, verdict: str, why: str, when: str
) -> None:
    """And is told apart from who failed."""
    step = chain.step()
    chain.send(chain.root, at=0)
    if when == "before it is planned":
        chain.back(kind, verdict=verdict, at=DAY)
        assert chain.plan(at=3 * DAY) == (2, 1)
        assert chain.send(step, at=3 * DAY) == ["go"] * 2
    else:
        chain.plan(at=3 * DAY)
        chain.back(kind, verdict=verdict, at=DAY)
        assert sorted(chain.send(step, at=3 * DAY)) == ["cancelled", "go", "go"]
    assert chain.reasons(step) == [why]


@pytest.mark.parametrize(
    ("kind", "verdict"), [("bounce", "block"), ("bounce", "soft"), ("auto", "none")]
)
def test_what_says_nothing_of_the_person_stops_nothing(
    chain: Chain, kind: str, verdict: str
) -> None:
    chain.step()
    chain.send(chain.root, at=0)
    chain.back(kind, verdict=verdict, at=DAY)
    assert chain.plan(at=3 * DAY) == (3, 0)


def test_who_is_away_is_followed_after_the_return(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.back("away", at=DAY)
    chain.plan(at=3 * DAY)
    assert sorted(chain.send(step, at=3 * DAY)) == ["deferred", "go", "go"]
    assert chain.send(step, at=8 * DAY) == ["go"]


def test_a_return_is_a_day_in_utc_whatever_the_session_s_zone(build: Any) -> None:
    asked = "select away_until(%s, %s) at time zone 'UTC'"
    found = set()
    for zone in ("UTC", "Europe/Berlin", "America/Los_Angeles"):
        build.db.execute("select set_config('TimeZone', %s, false)", (zone,))
        found |= set(build.db.execute(asked, (date(2026, 11, 26), build.time(0))).fetchall())
    build.db.execute("reset timezone")
    assert found == {(datetime(2026, 11, 27),)}  # noqa: DTZ001 - of UTC


def test_an_answer_of_a_colleague_stops_where_that_is_asked_for(build: Any, account: UUID) -> None:
    for stops, planned in ((False, (2, 0)), (True, (0, 2))):
        chain = Chain(build, account, leads=2)
        chain.step(company_stops=stops)
        chain.send(chain.root, at=0)
        chain.back("reply", at=DAY)
        assert sum(chain.plan(at=3 * DAY)) == 2
        [step] = build.db.execute(
            "select id from campaigns where parent_id = %s", (chain.root,)
        ).fetchall()
        assert len(chain.reasons(step[0])) == (2 if stops else 1), planned


# --- fail closed --------------------------------------------------------------------------------


@pytest.mark.parametrize("looked", [None, 31.0])
def test_without_a_look_at_the_thread_nothing_is_sent(chain: Chain, looked: float | None) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    assert chain.send(step, at=3 * DAY, looked=looked) == ["deferred"] * 3


def test_with_a_mailbox_that_was_not_read_nothing_is_sent(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    read, chain.read = chain.read, lambda _: None  # type: ignore[method-assign]
    assert chain.send(step, at=3 * DAY) == ["deferred"] * 3
    chain.read = read  # type: ignore[method-assign]
    assert chain.send(step, at=3 * DAY + 60) == ["go"] * 3


# --- the first campaign rules -------------------------------------------------------------------


def test_a_pause_of_the_first_campaign_holds_the_steps_until_it_is_resumed(chain: Chain) -> None:
    """Also by its row, and after it has completed."""
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.build.db.execute("update campaigns set paused_at = now() where id = %s", (chain.root,))
    run = chain.call.begin_run(campaign=step, run=uuid4(), lease_seconds=60.0, at=3 * DAY)
    assert run["answer"] == "paused"
    chain.call.resume_campaign(campaign=chain.root)
    assert chain.send(step, at=3 * DAY + 60) == ["go"] * 3


@pytest.mark.parametrize("how", ["by the command", "by its row"])
def test_a_cancel_of_the_first_campaign_ends_the_steps_for_good(chain: Chain, how: str) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    if how == "by the command":
        cancelled = chain.call.cancel_campaign(campaign=chain.root)
        assert cancelled == {"answer": "cancelled", "leads": 3, "follow_ups_only": True}
        assert chain.status(chain.root) == "completed"
    else:
        chain.build.db.execute(
            "update campaigns set status = 'cancelled' where id = %s", (chain.root,)
        )
        chain.call.plan_steps(at=20 * DAY)
    assert (chain.status(step), chain.build.lead_states(step)) == ("cancelled", {"cancelled": 3})
    assert chain.plan(at=30 * DAY) == (0, 0)


def test_a_cancel_tells_how_many_persons_the_steps_would_have_mailed(chain: Chain) -> None:
    """Each once, however many steps were to come; who has answered is none of them."""
    chain.step()
    chain.step(after_seconds=DAY)
    chain.send(chain.root, at=0)
    chain.back("reply")
    chain.plan(at=3 * DAY)
    assert chain.call.cancel_campaign(campaign=chain.root)["leads"] == 2


def test_a_step_is_upcoming_when_its_next_lead_is_due(chain: Chain) -> None:
    """As the report and Prefect's page have it; held with its first campaign, and gone with it."""
    step = chain.step()

    def upcoming() -> list[tuple[str, int, str | None]]:
        rows = [row for row in chain.call.rows("report_upcoming") if row["id"] == str(step)]
        return [(row["what"], row["pending"], row["starts_at"]) for row in rows]

    assert upcoming() == [("follows", 0, None)]
    chain.send(chain.root, at=0)
    (what, pending, starts_at), *_ = upcoming()
    assert (what, pending) == ("follows", 0)
    assert starts_at is not None
    assert datetime.fromisoformat(starts_at) == chain.build.time(3 * DAY)
    chain.plan(at=3 * DAY)
    assert [(what, pending) for what, pending, _ in upcoming()] == [("starts", 3)]
    chain.build.db.execute("update campaigns set paused_at = now() where id = %s", (chain.root,))
    assert upcoming() == [("paused", 3, None)]
    chain.build.db.execute("update campaigns set status = 'cancelled' where id = %s", (chain.root,))
    assert upcoming() == []


def test_the_last_word_of_a_person_counts_in_whatever_order_it_is_read(chain: Chain) -> None:
    """By its list a mailbox is read from the newest mail back."""

    def until() -> list[datetime]:
        return [row[0] for row in chain.build.db.execute("select until from absences").fetchall()]

    chain.send(chain.root, at=0)
    chain.back("away", at=2 * DAY)
    chain.back("away", at=DAY)
    chain.back("reply", at=HOUR)
    assert until() == [chain.build.time(9 * DAY)]
    chain.back("reply", at=3 * DAY)
    assert until() == []
    chain.back("away", at=DAY)
    assert until() == []


def test_a_completed_step_opens_again_for_who_is_sent_late(chain: Chain) -> None:
    """A retry of the first campaign, after the step has ended."""
    step = chain.step()
    chain.send(chain.root, at=0, most=2)
    chain.plan(at=3 * DAY)
    chain.send(step, at=3 * DAY)
    assert chain.status(step) == "running"
    chain.build.db.execute("update campaigns set resume_at = null where id = %s", (chain.root,))
    chain.send(chain.root, at=4 * DAY)
    assert chain.plan(at=7 * DAY) == (1, 0)
    assert chain.send(step, at=7 * DAY + 1) == ["go"]
    assert chain.build.lead_states(step) == {"sent": 3}


def test_a_lead_whose_address_was_changed_is_left_out(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.build.db.execute(
        "update leads set email = 'new@acme.test' where id = (select min(id::text)::uuid from leads)"
    )
    chain.plan(at=3 * DAY)
    assert chain.reasons(step) == ["its address was changed"]


def test_what_is_long_overdue_is_never_mailed(chain: Chain) -> None:
    step = chain.step(late_seconds=DAY)
    chain.send(chain.root, at=0)
    assert chain.plan(at=4 * DAY + 60) == (0, 3)
    assert chain.reasons(step)[0] == "it was due on 2026-11-27, too long ago"


def test_a_step_added_later_follows_the_last_thirty_days_or_what_since_says(
    build: Any, account: UUID
) -> None:
    old, given = Chain(build, account), Chain(build, account)
    for chain in (old, given):
        chain.send(chain.root, at=0)
    year = 365 * DAY
    old.step(at=year)
    given.step(at=year, since=build.time(-1))
    assert old.plan(at=year + 60) == (3, 0)
    states = [
        build.db.execute(
            "select count(*) from campaign_leads cl join campaigns c on c.id = cl.campaign_id"
            " where c.parent_id = %s", (chain.root,),
        ).fetchone()[0]
        for chain in (old, given)
    ]  # fmt: skip
    assert states == [0, 3]


# --- what happens meanwhile ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["paused", "cancelled"])
def test_a_row_update_of_the_first_campaign_stops_the_steps_within_one_mail(
    chain: Chain, how: str
) -> None:
    """What was claimed already is not begun."""
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.read(3 * DAY)
    run = chain.build.begin(step, at=3 * DAY)
    first, second, _ = chain.build.claim(step, run, at=3 * DAY, per_day=10_000)["claims"]
    asked = {"at": 3 * DAY, "per_day": 10_000, "knows_cancelled": True, "looked_seconds": 1.0}
    assert chain.build.attempt(first, run, **asked)["answer"] == "go"
    change = "paused_at = now()" if how == "paused" else "status = 'cancelled'"
    chain.build.db.execute(f"update campaigns set {change} where id = %s", (chain.root,))  # noqa: S608
    stopped = chain.build.attempt(second, run, **asked)
    assert (stopped["answer"], how in stopped["reason"]) == ("not_ours", True)


@pytest.mark.parametrize("how", ["it is unusable", "it is disconnected", "it was removed"])
def test_who_was_mailed_from_an_account_that_cannot_send_waits_for_it(
    chain: Chain, how: str
) -> None:
    """And is never failed; once it is too late, the lead is left out with the reason."""
    step, late = chain.step(), 3 * DAY + 7 * DAY + 60
    chain.send(chain.root, at=0)
    if how == "it was removed":
        chain.call.remove_account(address="ann@us.test")
    else:
        chain.call.mark_account_unusable(account=chain.account, reason="reconnect it")
    assert chain.plan(at=3 * DAY) == (0, 0)
    if how == "it is disconnected":
        chain.build.db.execute("update accounts set status = 'active', status_reason = null")
        assert chain.plan(at=4 * DAY) == (3, 0)
        assert chain.send(step, at=4 * DAY) == ["go"] * 3
    else:
        assert chain.plan(at=late) == (0, 3)
        assert chain.reasons(step) == ["it was due on 2026-11-27, too long ago"] * 3
        assert chain.status(step) == "completed"


def test_an_account_that_is_lost_after_the_planning_defers_too(chain: Chain) -> None:
    """By a claim and by what was claimed before; at the end planning leaves them out."""
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.read(3 * DAY)
    run = chain.build.begin(step, at=3 * DAY)
    claims = chain.build.claim(step, run, at=3 * DAY, most=1, per_day=10_000)["claims"]
    chain.call.mark_account_unusable(account=chain.account, reason="reconnect it")
    asked = {"at": 3 * DAY, "per_day": 10_000, "knows_cancelled": True, "looked_seconds": 1.0}
    assert chain.build.attempt(claims[0], run, **asked)["answer"] == "deferred"
    chain.call.finish_run(campaign=step, run=run, at=3 * DAY)
    assert chain.send(step, at=3 * DAY + 60) == []
    assert chain.build.lead_states(step) == {"pending": 3}
    chain.plan(at=11 * DAY)
    assert chain.reasons(step) == ["it was due on 2026-11-27, too long ago"] * 3


def test_the_end_of_a_steps_run_is_told_again_when_its_answer_was_lost(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.read(3 * DAY)
    run = chain.build.begin(step, at=3 * DAY)
    for claim in chain.build.claim(step, run, at=3 * DAY, per_day=10_000)["claims"]:
        attempt = uuid4()
        asked = {"at": 3 * DAY, "per_day": 10_000, "looked_seconds": 1.0}
        assert chain.build.attempt(claim, run, attempt=attempt, **asked)["answer"] == "go"
        chain.build.record(attempt, "sent", at=3 * DAY)
    ended = chain.call.finish_run(campaign=step, run=run, at=3 * DAY)
    assert ended["answer"] == "deferred"
    assert chain.call.finish_run(campaign=step, run=run, at=3 * DAY) == ended


def test_a_lead_that_was_deleted_is_left_out(chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.build.db.execute("delete from leads where id = (select min(id::text)::uuid from leads)")
    assert chain.plan(at=3 * DAY) == (2, 1)
    assert chain.reasons(step) == ["the lead was deleted"]


def test_who_another_sender_mailed_is_left_out_since_the_address_is_unknown(chain: Chain) -> None:
    chain.build.db.execute(
        "update campaign_leads set status = 'sent', sent_at = %s", (chain.build.time(0),)
    )
    step = chain.step()
    assert chain.plan(at=3 * DAY) == (0, 3)
    assert chain.reasons(step)[0] == "another sender mailed it, and to which address is not known"


def test_steps_follow_what_was_sent_of_a_campaign_in_error_and_open_again_after_a_retry(
    chain: Chain,
) -> None:
    step = chain.step()
    chain.send(chain.root, at=0, most=2)
    chain.build.db.execute(
        "update campaign_leads set status = 'failed', error = 'x' where status = 'pending'"
    )
    chain.build.db.execute("update campaigns set status = 'error' where id = %s", (chain.root,))
    assert chain.plan(at=3 * DAY) == (2, 0)
    chain.send(step, at=3 * DAY)
    chain.plan(at=3 * DAY + 7 * HOUR)
    assert chain.status(step) == "completed"
    assert chain.call.retry_failed(campaign=chain.root)["leads"] == 1
    chain.send(chain.root, at=4 * DAY)
    assert chain.plan(at=7 * DAY) == (1, 0)
    assert chain.status(step) == "running"
    assert chain.send(step, at=7 * DAY + 1) == ["go"]


def test_a_step_of_a_campaign_that_ended_days_ago_is_due_at_once(chain: Chain) -> None:
    chain.send(chain.root, at=0)
    step = uuid4()
    told = chain.call.add_step(root=chain.root, step_id=step, after_days=2, at=3 * DAY)
    assert told["due"] == 3
    assert chain.plan(at=3 * DAY) == (3, 0)
    assert chain.send(step, at=3 * DAY) == ["go"] * 3


def test_a_delay_that_is_changed_while_leads_wait_holds_from_then_on(chain: Chain) -> None:
    """By its row, as a web app does; the texts are read at the mail itself."""
    step = chain.step()
    chain.send(chain.root, at=0)
    assert chain.plan(at=DAY) == (0, 0)
    chain.build.db.execute("update campaigns set delay_days = 1 where id = %s", (step,))
    assert chain.plan(at=DAY) == (3, 0)


def test_a_lead_that_a_program_put_into_a_step_gets_no_mail(chain: Chain) -> None:
    """It follows nothing."""
    step = chain.step()
    chain.send(chain.root, at=0)
    lead = chain.build.lead(company_id=chain.build.company())
    chain.build.in_campaign(step, lead, chain.account)
    chain.plan(at=3 * DAY)
    assert sorted(chain.send(step, at=3 * DAY)) == ["cancelled", "go", "go", "go"]
    assert chain.reasons(step) == ["the mail that it follows was deleted"]


# --- refused ------------------------------------------------------------------------------------


def test_a_chain_is_one_campaign_deep(build: Any, call: Any, chain: Chain) -> None:
    """By the function and by rows, which a web app may write."""
    step = chain.step()
    answer = call.add_step(root=step, step_id=uuid4(), after_days=1)
    assert answer["answer"] == "rejected"
    wrong = [
        {"parent_id": step, "step": 2, "delay_days": 1},
        {"parent_id": chain.root, "step": 2, "delay_days": 1},
        {"parent_id": chain.root, "step": 3, "delay_days": 0},
        {"parent_id": chain.root, "step": 3},
        {"step": 3, "delay_days": 1},
    ]
    for values in wrong:
        with pytest.raises(psycopg.errors.IntegrityError):
            build.insert("campaigns", name="x", **values)
    build.insert("campaigns", name="x", parent_id=chain.root, step=3, delay_days=1)
    # A cycle; and a campaign of steps that becomes a step itself.
    for parent in (step, chain.root, build.campaign()):
        with pytest.raises(psycopg.errors.IntegrityError):
            build.db.execute(
                "update campaigns set parent_id = %s, step = 4, delay_days = 1 where id = %s",
                (parent, chain.root),
            )


def test_a_step_is_not_started_before_its_campaign(build: Any, account: UUID) -> None:
    chain = Chain(build, account, status="draft")
    step = chain.step()
    answer = chain.call.start_campaign(campaign=step)
    assert (answer["answer"], str(chain.root) in answer["reason"]) == ("rejected", True)
    chain.call.start_campaign(campaign=chain.root)
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    assert chain.send(step, at=3 * DAY) == ["go"] * 3


def test_a_step_that_mailed_nobody_is_removed_and_its_leads_are_free(
    call: Any, chain: Chain
) -> None:
    second, third = chain.step(), chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    assert call.remove_step(step_id=second)["answer"] == "rejected"
    assert [call.remove_step(step_id=one)["answer"] for one in (third, second)] == ["removed"] * 2
    again = chain.step(at=3 * DAY)
    assert chain.plan(at=3 * DAY) == (3, 0)
    chain.send(again, at=3 * DAY)
    assert call.remove_step(step_id=again)["answer"] == "rejected"
    assert call.remove_step(step_id=chain.root)["answer"] == "rejected"


def test_a_step_begins_unopened_whoever_opened_the_mail_before(call: Any, chain: Chain) -> None:
    """Its openings count as its own."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
    step = chain.step()
    chain.send(chain.root, at=0)
    for campaign, at in ((chain.root, HOUR), (step, 4 * DAY)):
        if campaign == step:
            chain.plan(at=3 * DAY)
            chain.send(step, at=3 * DAY)
        for (lead,) in chain.build.db.execute(
            "select id from campaign_leads where campaign_id = %s", (campaign,)
        ).fetchall():
            assert call.record_open(lead=lead, at=at, user_agent=agent)["answer"] == "opened"
    opened = chain.build.db.execute(
        "select campaign_id, sum(opened_people)::integer, sum(opened_machines)::integer"
        " from daily_counts group by campaign_id"
    ).fetchall()
    assert {campaign: numbers for campaign, *numbers in opened} == {
        chain.root: [3, 0],
        step: [3, 0],
    }
    assert call.recount_mails()["changed"] == 0


def test_openings_that_were_taken_over_are_put_right(call: Any, chain: Chain) -> None:
    """Of a release before: the opening of the mail before, in rows and in counts."""
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.send(step, at=3 * DAY)
    db = chain.build.db
    rows = "select id from campaign_leads where campaign_id = %s order by id"
    machine, proxy, _ = [lead for (lead,) in db.execute(rows, (step,)).fetchall()]
    call.record_open(lead=machine, at=4 * DAY, user_agent="curl/8")
    call.record_open(lead=proxy, at=4 * DAY, user_agent="Mozilla/5.0")
    assert db.execute(
        "select class from mail_events where campaign_lead_id = %s", (proxy,)
    ).fetchone() == ("proxy",)
    db.execute("update campaign_leads set open_class = 'person' where campaign_id = %s", (step,))
    call.recount_mails()
    [path] = MIGRATIONS.glob("*_openings_of_steps.sql")
    for _ in range(2):
        db.execute(path.read_text())
    classes = "select open_class from campaign_leads where campaign_id = %s order by id"
    assert [one for (one,) in db.execute(classes, (step,))] == [
        "machine",
        "unclassified",
        None,
    ]
    people = "select sum(opened_people)::integer from daily_counts where campaign_id = %s"
    assert db.execute(people, (step,)).fetchone() == (0,)


def test_a_mail_in_doubt_of_a_step_that_was_not_sent_is_mailed_again(
    call: Any, chain: Chain
) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=3 * DAY)
    chain.read(3 * DAY)
    run = chain.build.begin(step, at=3 * DAY)
    claims = chain.build.claim(step, run, at=3 * DAY)["claims"]
    for claim in claims:
        attempt = uuid4()
        chain.build.attempt(
            claim, run, at=3 * DAY, attempt=attempt, knows_cancelled=True, looked_seconds=1.0,
            token=attempt.hex,
        )  # fmt: skip
        chain.build.record(attempt, "unclear", at=3 * DAY, why="lost")
    call.finish_run(campaign=step, run=run, at=3 * DAY)
    assert call.rows("take_due", at=3 * DAY + HOUR) == []
    call.resolve_lead(was_sent=False, lead=UUID(claims[0]["id"]), at=3 * DAY + HOUR)
    assert [one["id"] for one in call.rows("take_due", at=3 * DAY + HOUR)] == [str(step)]
    assert chain.send(step, at=3 * DAY + HOUR) == ["go"]


def test_a_step_of_which_a_mail_is_resolved_goes_on_while_others_wait(
    call: Any, chain: Chain
) -> None:
    """Only the planning of steps knows that; a cancel still reaches it."""
    step = chain.step()
    chain.send(chain.root, at=0, most=2)
    chain.plan(at=3 * DAY)
    chain.send(chain.root, at=DAY)
    chain.read(3 * DAY)
    run = chain.build.begin(step, at=3 * DAY)
    lead = chain.build.claim(step, run, at=3 * DAY)["claims"][0]
    attempt = uuid4()
    chain.build.attempt(
        lead, run, at=3 * DAY, attempt=attempt, knows_cancelled=True, looked_seconds=1.0,
        token=attempt.hex,
    )  # fmt: skip
    chain.build.record(attempt, "unclear", at=3 * DAY, why="lost")
    chain.build.db.execute(
        "update campaign_leads set status = 'sent', sent_at = %s where campaign_id = %s and status = 'pending'",
        (chain.build.time(3 * DAY), step),
    )
    call.finish_run(campaign=step, run=run, at=3 * DAY)
    call.resolve_lead(was_sent=True, lead=UUID(lead["id"]), at=3 * DAY + HOUR)
    assert chain.status(step) == "running"
    assert chain.plan(at=4 * DAY) == (1, 0)
    assert call.cancel_campaign(campaign=chain.root)["answer"] == "cancelled"


def test_a_step_has_the_owner_of_its_campaign(build: Any) -> None:
    ann, ben = uuid4(), uuid4()
    root = build.campaign(build.account(user_id=ann), leads=1, user_id=ann)
    step: dict[str, Any] = {"parent_id": root, "step": 2, "delay_days": 1}
    with pytest.raises(psycopg.errors.CheckViolation):
        build.insert("campaigns", name="x", user_id=ben, **step)
    other = build.insert("campaigns", name="x", user_id=ben)
    with pytest.raises(psycopg.errors.CheckViolation):
        build.db.execute(
            "update campaigns set parent_id = %s, step = 2, delay_days = 1 where id = %s",
            (root, other),
        )
    build.insert("campaigns", name="x", user_id=ann, **step)
    build.db.execute("update campaigns set user_id = %s where user_id = %s", (ben, ann))


def test_waiting_steps_are_not_dispatched(call: Any, chain: Chain) -> None:
    step = chain.step()
    chain.send(chain.root, at=0)
    chain.plan(at=DAY)
    assert call.rows("take_due", at=DAY) == []
    chain.plan(at=3 * DAY)
    assert [one["id"] for one in call.rows("take_due", at=3 * DAY)] == [str(step)]


def test_days_are_counted_by_the_clock_on_the_wall(build: Any, account: UUID) -> None:
    """In Berlin the clocks go back on 25 October 2026: three days are 73 hours."""
    chain = Chain(build, account, time_zone="Europe/Berlin")
    sent = -32 * DAY  # 23 October, 09:00 UTC
    chain.step(at=sent)
    chain.send(chain.root, at=sent)
    chain.plan(at=sent + 3 * DAY + HOUR)
    [due] = build.db.execute(
        "select distinct next_attempt_at from campaign_leads where previous_id is not null"
    ).fetchone() or [None]
    assert due == build.time(sent + 3 * DAY + HOUR)


def test_a_day_keeps_its_hour_whatever_the_clocks_do(build: Any, account: UUID) -> None:
    """Forward: three days are 71 hours. An hour that is left out comes an hour later; one that comes twice, first."""
    chain = Chain(build, account, time_zone="Europe/Berlin")
    step = chain.step()
    due = {
        "2026-03-27 09:00+01": "2026-03-30 09:00+02",
        "2026-03-26 02:30+01": "2026-03-29 03:30+02",
        "2026-10-22 02:30+02": "2026-10-25 02:30+01",
        "2026-10-23 09:00+02": "2026-10-26 09:00+01",
    }
    for sent, expected in due.items():
        [at, wanted] = build.db.execute(
            "select follow_due(s.*, %s), %s::timestamptz from campaigns s where id = %s",
            (sent, expected, step),
        ).fetchone()
        assert at == wanted, sent


def test_an_unknown_time_zone_stops_no_chain(build: Any, account: UUID) -> None:
    """A web app wrote it. Its days have 24 hours, and all that is due is planned."""
    wrong, other = Chain(build, account), Chain(build, account)
    for chain in (wrong, other):
        chain.step()
        chain.send(chain.root, at=0)
    build.db.execute(
        "update campaigns set time_zone = 'Mars/Olympus' where %s in (id, parent_id)", (wrong.root,)
    )
    assert wrong.plan(at=3 * DAY) == (6, 0)


def test_a_step_in_error_without_leads_goes_on_with_whom_it_follows_later(chain: Chain) -> None:
    step = chain.step(after_seconds=1)
    chain.build.db.execute(
        "update campaigns set status = 'error', error = 'All email sends failed' where id = %s",
        (step,),
    )
    chain.send(chain.root, at=0)
    chain.build.db.execute("update campaigns set next_follow_at = null")
    assert chain.call.plan_steps(at=10)["leads"] == 3
    row = chain.build.row("campaigns", step)
    assert (row["status"], row["error"]) == ("running", None)


def test_a_step_in_error_with_leads_left_waits_for_a_person(chain: Chain) -> None:
    step = chain.step(after_seconds=1)
    chain.send(chain.root, at=0)
    chain.call.plan_steps(most=1, at=10)
    chain.build.db.execute(
        "update campaigns set status = 'error', error = 'why' where id = %s", (step,)
    )
    assert chain.call.plan_steps(at=11)["leads"] == 2
    assert chain.build.row("campaigns", step)["error"] == "why"


def test_a_draft_is_not_paused_though_it_has_a_step(build: Any, call: Any, account: UUID) -> None:
    """It could not be resumed; it sends nothing anyway."""
    root = build.campaign(account, leads=1, status="draft")
    call.add_step(root=root, step_id=uuid4(), after_days=1)
    assert call.pause_campaign(campaign=root)["answer"] == "rejected"

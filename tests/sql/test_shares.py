"""First mails and follow-ups of one account: half of its daily limit each, while both are due."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
LIMIT = 5
Kind = Literal["first mails", "follow-ups"]
HALF: dict[Kind, int] = {"first mails": 2, "follow-ups": 3}
OTHER: dict[Kind, Kind] = {"first mails": "follow-ups", "follow-ups": "first mails"}
KINDS: list[Kind] = ["first mails", "follow-ups"]


class Both:
    """An account with leads of both kinds, and the mails that left."""

    def __init__(self, build: Any, email: str = "ann@us.test", limit: int = LIMIT) -> None:
        self.build, self.sql = build, build.sql
        self.account: UUID = build.account(email, daily_limit=limit)
        self.campaigns: dict[Kind, UUID] = {}
        self.roots: dict[Kind, UUID] = {}
        self.runs: dict[UUID, UUID] = {}

    def due(self, kind: Kind, leads: int = 20, **campaign: Any) -> UUID:
        """A campaign of this kind, so many of whose leads are due."""
        sent = leads if kind == "follow-ups" else 0
        root = self.build.campaign(self.account, leads=leads, **campaign)
        made = root if kind == "first mails" else self._step(root, sent)
        self.campaigns[kind], self.roots[kind] = made, root
        self.runs[made] = self.build.begin(made, lease=30 * DAY)
        return made

    def _step(self, root: UUID, sent: int) -> UUID:
        """Each was mailed two days ago, and is to be followed after one."""
        self.build.db.execute(
            "with mailed as (update campaign_leads set status = 'sent', sent_at = %(at)s"
            " where campaign_id = %(root)s returning *)"
            " insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id,"
            " address, started_at, search_token, finished_at, outcome)"
            " select gen_random_uuid(), m.campaign_id, m.id, m.assigned_account_id, m.id, l.email,"
            " %(at)s, 'o', %(at)s, 'sent' from mailed m join leads l on l.id = m.lead_id",
            {"root": root, "at": self.build.time(-2 * DAY)},
        )
        step = uuid4()
        self.sql.add_step(root=root, step_id=step, after_days=1, at=-DAY)
        assert self.sql.plan_steps(at=0)["leads"] == sent
        self.read(0)
        return step

    def read(self, at: float) -> None:
        """The account's mailbox was read just now."""
        self.build.db.execute(
            "insert into mailboxes (account_id, read_at) values (%s, %s)"
            " on conflict (account_id) do update set read_at = excluded.read_at",
            (self.account, self.build.time(at)),
        )

    def claim(self, campaign: UUID, *, at: float = 0, most: int = 100) -> Any:
        return self.build.claim(campaign, self.runs[campaign], at=at, most=most)

    def begin(self, campaign: UUID, claims: Sequence[Any], *, at: float = 0) -> list[Any]:
        """What the last check says of each; what may leave has left."""
        answers = []
        for claim in claims:
            attempt = uuid4()
            answer = self.build.attempt(
                claim, self.runs[campaign], at=at, attempt=attempt, looked_seconds=1.0,
                knows_cancelled=True,
            )  # fmt: skip
            if answer["answer"] == "go":
                self.build.record(attempt, "sent", at=at)
            answers.append(answer)
        return answers

    def mail(self, kind: Kind, *, at: float = 0, most: int = 100) -> int:
        """All that may go now, in claims of so many; how many went."""
        campaign, mailed = self.campaigns[kind], 0
        while (answer := self.claim(campaign, at=at, most=most))["answer"] == "claimed":
            begun = self.begin(campaign, answer["claims"], at=at)
            mailed += sum(one["answer"] == "go" for one in begun)
        return mailed

    def log(self) -> list[tuple[float, bool]]:
        """Of each mail since the beginning: when it was begun, and whether it is a follow-up."""
        rows = self.build.db.execute(
            "select extract(epoch from s.started_at - %s)::float8, c.parent_id is not null"
            " from send_attempts s join campaigns c on c.id = s.campaign_id"
            " where s.started_at >= %s and s.account_id = %s order by 1",
            (self.build.time(0), self.build.time(0), self.account),
        ).fetchall()
        return [(at, is_step) for at, is_step in rows]


@pytest.fixture
def both(build: Any) -> Both:
    return Both(build)


def test_while_both_are_due_each_kind_holds_its_half(build: Any) -> None:
    """Of five mails a day three are follow-ups, whoever asks first and for how many."""
    for kind, most in product(KINDS, (1, 100)):
        both = Both(build, f"{most}{kind}@us.test")
        both.due("first mails")
        both.due("follow-ups")
        assert both.mail(kind, most=most) == HALF[kind]
        assert both.mail(OTHER[kind], most=most) == HALF[OTHER[kind]]
        assert both.mail(kind, at=1) == 0


def test_the_answer_says_which_share_it_waits_for(build: Any) -> None:
    """Asked again in ten minutes: the other kind may have nothing due by then."""
    for kind in KINDS:
        both = Both(build, f"{kind}@us.test")
        both.due("first mails")
        both.due("follow-ups")
        both.mail(kind)
        assert both.claim(both.campaigns[kind], at=MINUTE) == {
            "answer": "later",
            "wait_seconds": 600,
            "waiting_for":
                f"the share of {kind} in the daily limit of {kind}@us.test ({HALF[kind]} of 5)",
        }  # fmt: skip


def test_alone_a_kind_uses_the_whole_limit(build: Any) -> None:
    for kind in KINDS:
        both = Both(build, f"{kind}@us.test")
        both.due(kind)
        assert both.mail(kind) == LIMIT


def test_what_the_other_kind_leaves_is_used_within_ten_minutes(build: Any) -> None:
    """One lead of the other kind holds its place until it is mailed, also while it is claimed."""
    for kind in KINDS:
        both = Both(build, f"{kind}@us.test")
        both.due(kind)
        other = both.due(OTHER[kind], leads=1)
        assert both.mail(kind) == HALF[kind]
        build.db.execute("update accounts set next_send_at = %s", (build.time(20),))
        claimed = both.claim(other, at=1)["claims"]
        assert both.claim(both.campaigns[kind], at=2)["answer"] == "later"
        both.begin(other, claimed, at=20)
        assert both.mail(kind, at=20 + 10 * MINUTE) == LIMIT - HALF[kind] - 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_not_be_sent_now_holds_no_share(build: Any, kind: Kind) -> None:
    """A pause, also of the chain's first campaign, an end, a closed window, leads that are put off."""
    changes = [
        "update campaigns set paused_at = %(t)s where id = %(campaign)s",
        "update campaigns set paused_at = %(t)s where id = %(root)s",
        "update campaigns set status = 'cancelled' where id = %(root)s",
        "update campaigns set status = 'error' where id = %(campaign)s",
        "update campaigns set send_from = '20:00' where id = %(campaign)s",
        "update campaign_leads set next_attempt_at = %(t)s + interval '1 hour' where campaign_id = %(campaign)s",
        "update campaign_leads set status = 'failed' where campaign_id = %(campaign)s",
    ]
    for number, change in enumerate(changes):
        both = Both(build, f"a{number}@us.test")
        both.due(kind)
        other = both.due(OTHER[kind])
        values = {"campaign": other, "root": both.roots[OTHER[kind]], "t": build.time(0)}
        build.db.execute(change, values)
        assert both.mail(kind) == LIMIT, change


def test_follow_ups_of_a_mailbox_that_cannot_be_read_hold_no_share(both: Both) -> None:
    """They cannot go, so first mails do not wait for them."""
    both.due("first mails")
    both.due("follow-ups")
    assert both.mail("first mails", at=16 * MINUTE) == LIMIT


def test_claims_side_by_side_do_not_pass_the_half(both: Both) -> None:
    """Two chains and a campaign claim before any mail is begun: the last check counts."""
    campaigns = [both.due("first mails"), both.due("follow-ups"), both.due("follow-ups")]
    claimed = [both.claim(campaign)["claims"] for campaign in campaigns]
    answers = [
        both.begin(campaign, claims) for campaign, claims in zip(campaigns, claimed, strict=True)
    ]
    assert [[answer["answer"] for answer in one] for one in answers] == [
        ["go"] * 2, ["go"] * 3, ["deferred"] * 3
    ]  # fmt: skip
    assert answers[2][0]["reason"] == "the daily limit of ann@us.test (5)"
    assert [is_step for _, is_step in both.log()].count(True) == 3


def test_the_last_check_keeps_the_half_and_names_it(both: Both) -> None:
    campaigns = [both.due("follow-ups"), both.due("follow-ups")]
    both.due("first mails")
    claimed = [both.claim(campaign)["claims"] for campaign in campaigns]
    both.begin(campaigns[0], claimed[0])
    assert both.begin(campaigns[1], claimed[1][:1]) == [
        {
            "answer": "deferred",
            "reason": "the share of follow-ups in the daily limit of ann@us.test (3 of 5)",
            "wait_seconds": 600,
        }
    ]


def test_over_days_no_window_of_a_day_has_more(build: Any) -> None:
    """Both always due and asking each two hours, in turns: no mail of the limit is left unused."""
    for limit in (1, 2, 5):
        both = Both(build, f"a{limit}@us.test", limit)
        both.due("first mails")
        both.due("follow-ups")
        for number in range(int(3.5 * DAY / (2 * HOUR))):
            both.read(number * 2 * HOUR)
            for kind in KINDS if number % 2 else reversed(KINDS):
                both.mail(kind, at=number * 2 * HOUR, most=1 + number % 2)
        mails = both.log()
        for began, _ in mails:
            window = [is_step for at, is_step in mails if began <= at < began + DAY]
            assert len(window) <= limit
            assert sum(window) <= (limit + 1) // 2
        assert len(mails) == 4 * limit


def test_a_changed_limit_is_shared_anew(both: Both) -> None:
    """And a mail that is said to have left after all counts."""
    both.due("first mails")
    step = both.due("follow-ups")
    assert both.mail("follow-ups") == 3
    both.build.db.execute("update accounts set daily_limit = 8 where id = %s", (both.account,))
    late = uuid4()
    [claim] = both.claim(step, at=1)["claims"]
    both.build.attempt(claim, both.runs[step], at=1, attempt=late, looked_seconds=1.0)
    both.build.record(late, "not_sent", at=1, again_after=HOUR)
    assert len(both.claim(step, at=2)["claims"]) == 1
    both.build.record(late, "sent", at=2)
    assert both.mail("follow-ups", at=3) == 0
    assert both.mail("first mails", at=3) == 4


def test_a_share_costs_no_more_when_the_account_sent_all_day(build: Any) -> None:
    """Above the half: not counted while the other kind has nothing due; else once, then counted down."""
    alone, both = (Both(build, f"{name}@us.test", limit=600) for name in ("alone", "both"))
    for one in (alone, both):
        build.past_mails(one.account, *range(300))
        one.due("first mails")
    both.due("follow-ups")
    cases: list[tuple[Both, Kind]] = [(alone, "first mails"), (both, "follow-ups")]
    for one, kind in cases:
        campaign = one.campaigns[kind]
        one.begin(campaign, one.claim(campaign, most=1)["claims"])
        before = build.rows_read()
        for _ in range(5):
            [claim] = one.claim(campaign, most=1)["claims"]
            assert one.begin(campaign, [claim])[0]["answer"] == "go"
        assert build.rows_read() - before < 1000, kind
    counted = [build.fields("accounts", one.account, "follow_ups_left") for one in (alone, both)]
    assert counted == [(None,), (300 - 6,)]

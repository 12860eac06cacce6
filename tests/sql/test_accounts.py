"""Accounts: added, changed, listed, rested, marked, removed."""

from typing import Any
from uuid import UUID, uuid4

import pytest

DAY = 24 * 60 * 60


def test_an_account_is_added_once(build: Any, call: Any) -> None:
    """The caller makes the id; asked again nothing changes."""
    arguments = {
        "account": (account := uuid4()), "address": "ann@us.test", "token": "t", "display_name": "Ann",
        "answer_to": "re@us.test", "pace": 3.0, "per_day": 40, "owner": uuid4(),
    }  # fmt: skip
    first = call.save_account(**arguments)
    before = build.everything()
    again = call.save_account(**arguments)
    saved = {"answer": "saved", "id": str(account), "email": "ann@us.test"}
    assert (first, again, build.everything()) == (saved, saved, before)
    names = (
        "provider",
        "refresh_token",
        "sender_name",
        "reply_to",
        "pace_seconds",
        "daily_limit",
        "status",
    )
    assert build.fields("accounts", account, *names) == (
        "gmail", "t", "Ann", "re@us.test", 3, 40, "active",
    )  # fmt: skip


def test_what_is_given_is_changed_and_the_rest_stays(build: Any, call: Any) -> None:
    """The address is the account, whatever its case; the id that it has is told."""
    account = build.account(sender_name="Ann", pace_seconds=3)
    saved = call.save_account(account=uuid4(), address="ANN@us.test", per_day=9)
    assert saved["id"] == str(account)
    assert build.fields("accounts", account, "sender_name", "pace_seconds", "daily_limit", "refresh_token") == (
        "Ann", 3, 9, "t",
    )  # fmt: skip


@pytest.mark.parametrize("pace", ["NaN", "Infinity", "-Infinity", "-1", "86400.1"])
def test_a_pace_that_nothing_can_keep_is_refused(build: Any, call: Any, pace: str) -> None:
    """By whatever calls the function; of a new account and of a known one."""
    build.account(pace_seconds=3)
    before = build.everything()
    answers = [
        call.save_account(account=uuid4(), address=address, token="t", pace=float(pace))
        for address in ("ann@us.test", "new@us.test")
    ]
    reason = "A pace is a number of seconds from 0 to 86400."
    assert answers == [{"answer": "rejected", "reason": reason}] * 2
    assert build.everything() == before


def test_a_new_token_makes_an_account_usable_again(build: Any, call: Any) -> None:
    """A change without a token does not; the old access token goes."""
    account = build.account(access_token="old")
    call.mark_account_unusable(account=account, reason="revoked")
    call.save_account(account=uuid4(), address="ann@us.test", per_day=9)
    marked = build.fields("accounts", account, "status", "status_reason")
    call.save_account(account=uuid4(), address="ann@us.test", token="new")
    assert (
        marked,
        build.fields("accounts", account, "status", "status_reason", "access_token"),
    ) == (
        ("unusable", "revoked"),
        ("active", None, None),
    )


@pytest.mark.parametrize("token", ["new", None])
def test_an_account_that_was_removed_can_be_added_again(
    build: Any, call: Any, token: str | None
) -> None:
    """With or without its token: who adds it sees it."""
    build.account()
    call.remove_account(address="ann@us.test")
    call.save_account(account=uuid4(), address="ann@us.test", token=token)
    assert [(a["email"], a["connected"]) for a in call.rows("list_accounts")] == [
        ("ann@us.test", token is not None)
    ]


def test_users_have_accounts_of_their_own(build: Any, call: Any) -> None:
    """The same address twice."""
    mine, other = uuid4(), uuid4()
    build.account(user_id=other)
    saved = call.save_account(account=(account := uuid4()), address="ann@us.test", owner=mine)
    assert saved["id"] == str(account)


def test_accounts_are_listed_without_their_secrets(build: Any, call: Any) -> None:
    """With what an operator wants to know, durations instead of times."""
    account = build.account(sender_name="Ann", access_token="secret")
    build.past_mails(account, 10, DAY - 1, DAY + 1)
    build.past_mails(account, 5, outcome=None)
    build.past_mails(account, 5, outcome="refused")
    call.pause_account(account=account, seconds=900, at=0)
    assert call.rows("list_accounts", at=100) == [
        {
            "id": str(account),
            "email": "ann@us.test",
            "sender_name": "Ann",
            "reply_to": None,
            "status": "active",
            "status_reason": None,
            "paused_seconds": 800,
            "pace_seconds": None,
            "daily_limit": None,
            "ramp": None,
            "domain_cap": None,
            "sent_today": 2,
            "connected": True,
            "rest_reason": None,
            "mailbox": {
                "can_read": None, "scopes": None, "read_at": None, "problem": None, "gap_from": None, "gap_until": None,
                "unread_seconds": DAY + 101, "replied": 0, "bounced": 0, "blocked": 0,
            },
        }
    ]  # fmt: skip


def test_accounts_are_listed_page_by_page(build: Any, call: Any) -> None:
    """By key; removed ones are not shown."""
    made = sorted(str(build.account(f"{n}@us.test")) for n in range(5))
    build.account("gone@us.test", status="removed")
    first = [row["id"] for row in call.rows("list_accounts", most=3)]
    second = [row["id"] for row in call.rows("list_accounts", most=3, after=UUID(first[-1]))]
    assert first + second == made


def test_credentials_are_read_by_id(build: Any, call: Any) -> None:
    """No token: null; removed or unknown: no row."""
    account, bare = build.account(), build.insert("accounts", email="b@us.test", refresh_token="")
    removed = build.account("c@us.test", status="removed")
    assert [call.read_credentials(account=a) for a in (account, bare, removed, uuid4())] == [
        {"email": "ann@us.test", "refresh_token": "t"},
        {"email": "b@us.test", "refresh_token": None},
        None,
        None,
    ]


# --- quota ----------------------------------------------------------------------------------------


def test_quota_pauses_double_up_to_a_day(build: Any, call: Any) -> None:
    """Each one that follows the last without a mail in between."""
    account, at, pauses = build.account(), 0.0, []
    for _ in range(9):
        pauses.append(call.pause_account(account=account, seconds=900, at=at)["seconds"])
        at += pauses[-1]
    assert pauses == [900, 1800, 3600, 7200, 14400, 28800, 57600, DAY, DAY]


def test_a_rate_pauses_from_a_second_to_a_minute(build: Any, call: Any) -> None:
    """And a quarter more at most, so that accounts do not come back together."""
    account, at, pauses = build.account(), 0.0, []
    for _ in range(8):
        pauses.append(
            call.pause_account(account=account, seconds=None, brief=True, at=at)["seconds"]
        )
        at += pauses[-1]
    least = [1, 2, 4, 8, 16, 32, 64, 64]
    assert [a <= b <= 1.25 * a for a, b in zip(least, pauses, strict=True)] == [True] * 8


def test_a_rate_pauses_as_long_as_gmail_says(build: Any, call: Any) -> None:
    """However often, and a quota that follows begins with its own first pause."""
    account, at = build.account(), 0.0
    for _ in range(5):
        told = call.pause_account(account=account, seconds=3, brief=True, at=at)
        at += told["seconds"]
    assert at == 15
    assert call.pause_account(account=account, seconds=900, at=at)["seconds"] == 900


def test_many_mails_that_meet_the_same_quota_pause_once(build: Any, call: Any) -> None:
    """While it rests, what is left of the pause is told and nothing changes."""
    account = build.account()
    call.pause_account(account=account, seconds=900, at=0)
    before = build.everything()
    again = call.pause_account(account=account, seconds=900, at=300)
    assert (again, build.everything()) == ({"answer": "paused", "seconds": 600}, before)


def test_a_quota_of_the_project_rests_every_account(build: Any, call: Any) -> None:
    """But for those that were removed."""
    accounts = [build.account(f"{n}@us.test") for n in range(3)]
    removed = build.account("gone@us.test", status="removed")
    call.pause_account(account=accounts[0], seconds=60, whole_project=True, at=0)
    paused = [build.fields("accounts", a, "paused_until")[0] for a in (*accounts, removed)]
    assert paused == ["2026-11-24T09:01:00+00:00"] * 3 + [None]


@pytest.mark.parametrize("state", ["removed", "unknown"])
def test_an_account_that_is_gone_can_be_asked_to_rest(build: Any, call: Any, state: str) -> None:
    """Its last mail met a quota: the lead still needs a time."""
    account = build.account(status="removed") if state == "removed" else uuid4()
    assert call.pause_account(account=account, seconds=900, at=0) == {
        "answer": "paused",
        "seconds": 900,
    }


# --- unusable, removed --------------------------------------------------------------------------------


def test_an_account_is_marked_with_the_reason(build: Any, call: Any) -> None:
    """Again: the same. One that was removed stays removed."""
    account, removed = build.account(), build.account("b@us.test", status="removed")
    answers = [
        call.mark_account_unusable(account=a, reason="revoked") for a in (account, account, removed)
    ]
    assert answers == [{"answer": "marked"}, {"answer": "marked"}, None]
    assert build.fields("accounts", account, "status", "status_reason") == ("unusable", "revoked")


def test_a_removed_account_keeps_its_row_and_no_token(build: Any, call: Any) -> None:
    """It sent mails; asked again the answer is the same and nothing changes."""
    account = build.account(access_token="secret")
    campaign = build.campaign(account, leads=1)
    lead = build.mail(campaign, build.begin(campaign))
    first = call.remove_account(address="ANN@us.test")
    before = build.everything()
    again = call.remove_account(address="ann@us.test")
    assert (first, again, build.everything()) == (
        {"answer": "removed", "id": str(account)},
        first,
        before,
    )
    assert build.fields("accounts", account, "status", "refresh_token", "access_token") == (
        "removed",
        "",
        None,
    )
    assert build.fields("campaign_leads", lead, "assigned_account_id") == (str(account),)
    assert build.db.execute("select count(*) from campaign_accounts").fetchone() == (0,)


def test_an_account_with_pending_leads_is_not_removed(build: Any, call: Any) -> None:
    """They would have no sender."""
    build.campaign(build.account(), leads=2)
    before = build.everything()
    answer = call.remove_account(address="ann@us.test")
    assert (answer, build.everything()) == (
        {
            "answer": "rejected",
            "reason": "2 pending lead(s) are to be mailed by ann@us.test; let their campaigns end or "
            "cancel them, then remove it.",
        },
        before,
    )


def test_an_account_that_is_not_there_is_not_removed(call: Any) -> None:
    """A typing error is told."""
    assert call.remove_account(address="eve@us.test") == {
        "answer": "rejected",
        "reason": "There is no account eve@us.test.",
        "remedy": "list_accounts",
    }


def test_a_shorter_pace_holds_from_the_next_mail_on(build: Any, call: Any) -> None:
    """Not only after the distance that was kept before; a longer one moves nothing nearer."""
    account = build.account(pace_seconds=3600)
    build.db.execute("update accounts set next_send_at = now() + interval '1 hour'")
    ahead = "select extract(epoch from next_send_at - clock_timestamp()) < %s from accounts"
    (email,) = build.fields("accounts", account, "email")
    call.save_account(account=uuid4(), address=email, pace=7200.0)
    longer = build.db.execute(ahead, [3000]).fetchone()
    call.save_account(account=uuid4(), address=email, pace=2.0)
    assert (longer, build.db.execute(ahead, [3]).fetchone()) == ((False,), (True,))

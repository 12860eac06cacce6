"""What is wrong with a campaign before it starts, and when it would end."""

from datetime import UTC, datetime, time, timedelta
from math import inf
from typing import Any
from uuid import UUID, uuid4

import pytest

from outreach.campaign.estimate import DAY
from outreach.campaign.models import Company, Lead, LeadCounts, MailboxState, Sender
from outreach.campaign.snapshot import CampaignAccount, CampaignSnapshot, PlannedMail
from outreach.delivery.account_health import AccountHealth
from outreach.delivery.mailbox_health import MailboxTrouble, mailbox_trouble
from outreach.delivery.modes import UNREAD
from outreach.errors import (
    AccountUnusable,
    AttachmentMissing,
    ConfigurationError,
    Explained,
    StoreUnavailable,
)
from outreach.mail.mime import Attachment
from outreach.mail.role_addresses import role_of
from outreach.preflight.campaign import (
    estimate_chain,
    of_account,
    of_attachment,
    of_campaign,
    of_caps,
)
from outreach.preflight.findings import EXAMPLES, Finding, Problem, Tally
from outreach.preflight.leads import problems

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SENDER = Sender(id=UUID(int=1), email="ada@ours.example")
GOOD = AccountHealth(severity="ok", message="", delivery="drafts")


def planned(**changes: Any) -> PlannedMail:
    """A lead whose mail is well, changed."""
    lead = {"email": "zoe@acme.example", "name": "Zoë"}
    company = {"name": "Acme", "email_subject": "A deck", "email_template": "Hi {{ name }}"}
    ours = {
        key: changes.pop(key) for key in [*changes] if key in {"email", "name", "custom_fields"}
    }
    theirs = {key: changes.pop(key) for key in [*changes] if key in Company.model_fields}
    return PlannedMail(
        id=uuid4(),
        status="pending",
        sender=SENDER,
        lead=Lead.model_validate(lead | ours),
        company=Company.model_validate(company | theirs),
        **changes,
    )


RAMP = {"begin": 20, "step": 5, "days": 0, "limit": 20}
"""20 mails on the first day, 5 more with each that sent."""


def account(**changes: Any) -> CampaignAccount:
    usual = {"id": uuid4(), "email": "ada@ours.example", "status": "active", "leads": 10}
    return CampaignAccount.model_validate({**usual, "sent_by_hour": [0] * 24, **changes})


def snapshot(*accounts: CampaignAccount, **changes: Any) -> CampaignSnapshot:
    usual = {"id": uuid4(), "name": "Spring", "status": "draft", "paused": False, "wait_seconds": 0}
    pending = sum(one.leads for one in accounts)
    usual |= {"leads": LeadCounts(pending=pending), "misassigned": 0, "accounts": list(accounts)}
    return CampaignSnapshot.model_validate(usual | changes)


def told(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.severity, problem.check) for problem in found]


# --- leads ------------------------------------------------------------------------------------


def test_of_a_suppressed_lead_that_alone_is_told() -> None:
    """Its mail is never made: what else is wrong with it stops nothing."""
    found = list(problems(planned(suppressed="opted out", email_template="")))
    message = "The address is suppressed (opted out): the lead is not mailed"
    assert found == [Problem("warning", "suppressed", message)]


def test_a_mail_that_is_well_has_no_problem() -> None:
    """Nor has one whose template provides for what is empty."""
    assert list(problems(planned())) == []
    for template in (
        "Hi {{ name or 'there' }}",
        "Hi {% if name %}{{ name }}{% else %}there{% endif %}",
        "Hi {{ name if name else 'there' }}",
    ):
        assert list(problems(planned(name=None, email_template=template))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"email_template": "Hi {{ nmae }}"}, [("error", "placeholders")]),
        ({"email_template": "Hi {{ city }}"}, [("error", "placeholders")]),
        ({"email_template": "Hi {{ city }}", "custom_fields": {"City": "Köln"}}, []),
        ({"name": " "}, [("warning", "placeholders")]),
        ({"name": None, "email_template": "Hi {name}"}, [("warning", "placeholders")]),
        ({"name": None, "email_template": "Hi {{ name|title }}"}, [("warning", "placeholders")]),
        ({"name": None, "email_template": "{{ 'Hi ' + name }}"}, [("warning", "placeholders")]),
        ({"name": None, "email_template": "Hi{% if name == 'x' %}!{% endif %}"}, []),
        ({"email_template": "Hi {nmae}"}, [("warning", "placeholders")]),
        (
            {"email_template": "{{ company_name }}", "custom_fields": {"Company Name": "A"}},
            [("warning", "placeholders")],
        ),
        ({"email_template": "Hi {{ name }}", "custom_fields": {"Company Name": "A"}}, []),
        ({"email_template": "{{ Company Name }}", "custom_fields": {"Company Name": "Acme"}}, []),
        (
            {"email_template": "{{ role }}.", "custom_fields": {"Role": ["a"]}},
            [("warning", "placeholders")] * 2,
        ),
        ({"email_template": None}, [("error", "template")]),
        ({"email_subject": " "}, [("error", "template")]),
        ({"email_subject": None, "email_template": None}, [("error", "template")] * 2),
        ({"email_subject": "A\ndeck"}, [("error", "template")]),
        ({"email_template": "{% if name %}"}, [("error", "template")]),
        ({"email_template": "{% if domain %}x{% endif %}"}, [("error", "template")]),
        ({"email": ""}, [("error", "address")]),
        ({"email": "zoe@acme"}, [("error", "address")]),
        ({"email": "info@acme.example"}, [("warning", "address")]),
        ({"email": "no-reply@acme.example"}, [("warning", "address")]),
        ({"name": "Zoë\nBcc: x@y.z"}, [("error", "name")]),
        ({"missing": "lead"}, [("error", "lead")]),
        ({"missing": "company"}, [("error", "company")]),
        ({"mailed_here": True}, [("warning", "duplicates")]),
        ({"mailed_seconds_ago": 86400}, [("warning", "cooldown")]),
    ],
    ids=str,
)
def test_each_thing_that_is_wrong_with_a_lead_is_found(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """What makes it fail is an error, the rest a warning; nothing is told twice."""
    assert told(list(problems(planned(**changes)))) == expected


def test_a_problem_names_the_company_and_the_placeholder_and_no_address() -> None:
    """So that the leads of a company that have it are one finding."""
    (problem,) = problems(planned(email_template="Hi {{ nmae }}"))
    assert problem == Problem(
        "error", "placeholders", "The template has {{ nmae }}, which the lead does not have",
        "correct the template, or give the leads a value", "Acme",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "role"),
    [
        ("info@acme.example", "role"),
        ("Sales+de@acme.example", "role"),
        ("customer-service@acme.example", "role"),
        ("No.Reply@acme.example", "no-reply"),
        ("donotreply@acme.example", "no-reply"),
        ("mailer-daemon@acme.example", "no-reply"),
        ("ines@acme.example", None),
        ("infoline@acme.example", None),
        ("norep@acme.example", None),
    ],
)
def test_who_reads_an_address_is_told_by_its_words(address: str, role: str | None) -> None:
    """Whole words alone: a person may be called anything."""
    assert role_of(address) == role


def test_findings_are_added_up_with_errors_first() -> None:
    """And a few examples of each."""
    tally, error, warning = Tally(), Problem("error", "a", "x"), Problem("warning", "b", "y", "z")
    for number in range(5):
        tally.add(warning, f"{number}@x.test")
    tally.add(error, "e@x.test", count=2)
    assert tally.findings() == [
        Finding(
            severity="error", check="a", message="x", remedy="", company="", count=2, examples=["e@x.test"]
        ),
        Finding(
            severity="warning", check="b", message="y", remedy="z", company="", count=5,
            examples=[f"{number}@x.test" for number in range(EXAMPLES)],
        ),
    ]  # fmt: skip


# --- the campaign, its accounts, the attachment --------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (snapshot(account()), []),
        (snapshot(), [("error", "accounts"), ("error", "leads")]),
        (snapshot(account(), misassigned=2), [("error", "accounts")]),
        (snapshot(account(leads=0)), [("error", "leads")]),
        (snapshot(account(), paused=True), [("warning", "campaign")]),
        (snapshot(account(), opens=False), [("error", "window")]),
        (snapshot(account(), send_from=time(9), time_zone="Europe/Berlin"), []),
    ],
)
def test_what_stops_a_campaign_is_an_error(
    found: CampaignSnapshot, expected: list[tuple[str, str]]
) -> None:
    """In the words of the run that would stop."""
    assert told([problem for problem, _ in of_campaign(found)]) == expected


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        ({}, GOOD, []),
        ({}, AccountUnusable("Revoked; reconnect the account."), [("error", "account")]),
        (
            {},
            AccountHealth(severity="error", message="x", delivery="drafts"),
            [("error", "account")],
        ),
        ({}, AccountHealth(severity="ok", message="", delivery="direct"), [("warning", "account")]),
        (
            {},
            AccountHealth(
                severity="ok", message="", delivery="drafts", mailbox=MailboxTrouble("x", "y")
            ),
            [("warning", "account")],
        ),
        ({}, StoreUnavailable("Google cannot be reached."), [("warning", "account")]),
        ({}, ConfigurationError("GOOGLE_CLIENT_ID is not set."), [("error", "settings")]),
        ({"status": "unusable"}, StoreUnavailable("Google is away."), [("error", "account")]),
        ({"paused_seconds": 60}, GOOD, [("warning", "account")]),
        ({"paused_seconds": 60, "rest_reason": "x"}, GOOD, [("warning", "account")]),
        ({"sent_today": 500}, GOOD, [("warning", "account")]),
        ({"sent_today": 495}, GOOD, [("warning", "account")]),
        ({"daily_limit": 9}, GOOD, [("warning", "account")]),
        ({"leads": 21, "ramp": RAMP}, GOOD, [("warning", "account")]),
        ({"leads": 1, "ramp": RAMP}, GOOD, []),
        ({"leads": 1, "ramp": RAMP | {"frozen": True}}, GOOD, [("warning", "account")]),
        ({"leads": 1, "ramp": RAMP | {"frozen": True}, "daily_limit": 20}, GOOD, []),
        ({"sender_name": "A\nBcc: x"}, GOOD, [("error", "account")]),
        ({"reply_to": "nobody"}, GOOD, [("error", "account")]),
    ],
)
def test_how_an_account_stands(
    changes: dict[str, Any], found: AccountHealth | Explained, expected: list[tuple[str, str]]
) -> None:
    """Google being away is no error: the run may meet it again."""
    assert told(list(of_account(account(**changes), found, 500, here=True))) == expected


@pytest.mark.parametrize(
    ("reply_to", "has_steps", "expected"),
    [
        ("sales@ours.example", True, [("warning", "account")]),
        ("sales@ours.example", False, []),
        (None, True, []),
        ("", True, []),
    ],
)
def test_answers_that_go_to_another_mailbox_are_told_of_follow_ups(
    reply_to: str | None, has_steps: bool, expected: list[tuple[str, str]]
) -> None:
    """Nobody reads that one: the lead who answered there gets the next mail."""
    checked = account(reply_to=reply_to)
    tagged = account(reply_to=checked.email.upper().replace("@", "+deck@"))
    assert told(list(of_account(checked, GOOD, 500, here=True, has_steps=has_steps))) == expected
    assert told(list(of_account(tagged, GOOD, 500, here=True, has_steps=has_steps))) == []


@pytest.mark.parametrize(
    ("mailbox", "can_read", "problem"),
    [
        ({}, None, None),
        ({}, True, None),
        ({}, False, UNREAD),
        ({"can_read": False, "problem": "x"}, None, UNREAD),
        ({"can_read": False, "problem": "x"}, True, None),
        ({"can_read": True, "problem": "Gmail is away."}, True, "Its mailbox could not be read: Gmail is away"),
        ({"can_read": True, "unread_seconds": 899}, True, None),
        ({"can_read": True, "unread_seconds": 7200}, None, "Its mailbox was not read for 2 hours"),
    ],
)  # fmt: skip
def test_why_a_mailbox_is_not_read(
    mailbox: dict[str, Any], can_read: bool | None, problem: str | None
) -> None:
    """By its scopes, its last reading, and how long that is ago."""
    trouble = mailbox_trouble(account(mailbox=MailboxState(**mailbox)), can_read=can_read)
    assert (trouble and trouble.problem) == problem


def test_what_this_machine_lacks_stops_no_run_elsewhere() -> None:
    """The worker has settings and files of its own."""
    missing = AttachmentMissing("deck.pdf", "no such file")
    unset = ConfigurationError("GOOGLE_CLIENT_ID is not set.")
    for here, severity in ((True, "error"), (False, "warning")):
        found = [
            *of_attachment(missing, here=here),
            *of_account(account(), unset, 500, here=here),
        ]
        assert [problem.severity for problem in found] == [severity] * 2


def test_a_large_attachment_is_warned_of() -> None:
    """Gmail takes it, many others do not."""
    large = Attachment("deck.pdf", 8 * 1024 * 1024, b"")
    assert told(list(of_attachment(large, here=True))) == [("warning", "attachment")]
    assert list(of_attachment(Attachment("deck.pdf", 1024, b""), here=True)) == []


# --- when it ends -------------------------------------------------------------------------------


def lasts(*accounts: CampaignAccount, now: datetime = TUESDAY, **changes: Any) -> float:
    found = snapshot(*accounts, **changes)
    [seconds] = estimate_chain(found, found.accounts, now, pace=2, daily_limit=500)
    return inf if seconds is None else seconds


def test_accounts_send_side_by_side_each_at_its_pace() -> None:
    """The last mail leaves one pace less than there are mails; the slowest account decides."""
    assert lasts(account(leads=1)) == 0
    assert lasts(account(leads=100), account(leads=3, pace_seconds=300)) == 600
    assert lasts(account(leads=11), wait_seconds=3600) == 3620
    assert lasts(account(leads=11, paused_seconds=900)) == 920


def test_the_daily_limit_counts_the_mails_of_the_last_24_hours() -> None:
    """What is sent now makes room a day later; what was sent 20 hours ago, in four."""
    assert lasts(account(leads=11, daily_limit=10)) == DAY
    assert lasts(account(leads=21, daily_limit=10)) == 2 * DAY
    before = [0] * 20 + [10] + [0] * 3
    assert lasts(account(leads=1, daily_limit=10, sent_by_hour=before)) == 4 * 3600


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({"leads": 20}, 0),
        ({"leads": 45}, 1),
        ({"leads": 46}, 2),
        ({"leads": 70, "daily_limit": 25}, 2),
        ({"leads": 71, "daily_limit": 25}, 3),
        ({"leads": 45, "ramp": RAMP | {"frozen": True}}, 2),
        ({"leads": 45, "ramp": RAMP | {"days": 9, "limit": 65}}, 0),
    ],
)
def test_a_ramp_raises_the_daily_limit_with_each_day(changes: dict[str, Any], days: int) -> None:
    """20, 25, 30, …, never above the daily limit; not while it is frozen."""
    one = account(**{"ramp": RAMP, "pace_seconds": 0} | changes)
    assert lasts(one) == days * DAY


def test_the_day_that_is_not_over_ends_when_its_first_mail_is_a_day_old() -> None:
    """20 of today are sent, the first 22 hours ago: in two hours 5 more may leave, and so on."""
    today = RAMP | {"day_ends_seconds": 7200}
    sent = [0] * 21 + [20] + [0] * 2
    one = account(leads=5, pace_seconds=0, ramp=today, sent_by_hour=sent)
    assert lasts(one) == 3 * 3600  # by whole hours


def test_a_domain_with_a_cap_lasts_as_long_as_the_cap_says() -> None:
    """Beside its accounts, whichever takes longer; within the window."""
    one = account(leads=11)
    acme = {"domain": "acme.test", "leads": 11, "cap": 5, "sent_by_hour": [0] * 24}
    used = acme | {"sent_by_hour": [0] * 20 + [5] + [0] * 3}
    assert lasts(one, capped_domains=[acme]) == 2 * DAY
    assert lasts(one, capped_domains=[used]) == 2 * DAY + 4 * 3600
    assert lasts(account(leads=11, daily_limit=1), capped_domains=[acme]) == 10 * DAY
    assert lasts(one, capped_domains=[acme], send_days=[2], time_zone="UTC") == 14 * DAY - 9 * 3600


def test_a_domain_that_is_mailed_for_days_is_warned_of() -> None:
    """With the leads that are its own."""
    acme = {"domain": "acme.test", "leads": 11, "cap": 5, "sent_by_hour": [0] * 24}
    ((problem, domain, leads),) = of_caps(snapshot(account(), capped_domains=[acme]))
    assert (problem.severity, domain, leads) == ("warning", "acme.test", 11)


def test_nothing_leaves_on_days_off() -> None:
    """Tuesday is off, and Wednesday; without hours the whole day."""
    off = {"skip_dates": ["2026-11-24", "2026-11-25"], "time_zone": "UTC"}
    assert (
        lasts(account(leads=1), **off)
        == (TUESDAY.replace(hour=0) - TUESDAY).total_seconds() + 2 * DAY
    )


def test_nothing_leaves_outside_the_window() -> None:
    """From 9 to 10 on weekdays in Berlin it is 30 mails at one in two minutes; the rest waits."""
    weekdays = {
        "send_days": [1, 2, 3, 4, 5], "send_from": time(9), "send_until": time(10),
        "time_zone": "Europe/Berlin",
    }  # fmt: skip
    slow = account(leads=31, pace_seconds=120)
    opens = TUESDAY - timedelta(hours=1)
    assert lasts(slow, now=opens, **weekdays) == DAY
    assert lasts(slow, now=opens + timedelta(days=3), **weekdays) == 3 * DAY
    assert lasts(slow, now=opens - timedelta(hours=2), **weekdays) == DAY + 2 * 3600


def test_hours_until_midnight_and_a_change_of_the_clock_are_kept() -> None:
    """And 9 in New York is an hour later for everybody else after 1 November."""
    evening = {"send_from": time(23), "time_zone": "UTC"}
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert lasts(account(leads=1), now=late, **evening) == 0
    assert lasts(account(leads=1), now=TUESDAY, **evening) == 14 * 3600
    morning = {"send_from": time(9), "send_until": time(17), "time_zone": "America/New_York"}
    saturday = datetime(2026, 10, 31, 22, 0, tzinfo=UTC)
    assert lasts(account(leads=1), now=saturday, **morning) == 16 * 3600


def test_what_takes_for_ever_is_not_worked_out() -> None:
    """A day's pace for ten thousand leads."""
    assert lasts(account(leads=10_000, pace_seconds=86400)) == inf

"""A chain before and while it goes out: check, preview, test-send, status and list of follow-ups."""
# ruff: noqa: F811 - fixtures are imported, and are arguments of the same name

import email
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from outreach.delivery.modes import UNREAD
from outreach.store.store import Store
from tests.flows.test_cli import (  # noqa: F401 - what pytest finds here
    Outreach,
    campaign,
    csv,
    environment,
    one_sentence,
    outreach,
    store,
)
from tests.flows.test_cli_checking import everything

DAY = 86_400

Follow = Callable[..., UUID]


@pytest.fixture
def follow(outreach: Outreach, campaign: UUID, tmp_path: Path) -> Follow:
    """Add a step to the campaign: `follow("Hi {{ name }}")`."""

    def added(template: str | None = None, *options: object, after: str = "3d") -> UUID:
        if template is not None:
            (tmp_path / "step.html").write_text(template)
            options = (*options, "--template", "step.html")
        ran = outreach("campaigns", "follow-up", campaign, "--after", after, *options)
        assert ran.status == 0, ran.err
        return UUID(ran.out.strip())

    return added


def found(ran: Any) -> set[tuple[str, str, int]]:
    return {(f["severity"], f["message"], f["count"]) for f in ran.json["findings"]}


def previewed(outreach: Outreach, campaign: UUID, folder: Path) -> list[EmailMessage]:
    ran = outreach("campaigns", "preview", campaign, "--out", folder)
    assert ran.status == 0, ran.err
    return [
        email.message_from_bytes(one.read_bytes(), policy=default)  # type: ignore[misc]
        for one in sorted(folder.glob("*.eml"))
    ]


# --- check ----------------------------------------------------------------------------------------


def test_a_check_covers_each_step_and_tells_when_the_chain_ends(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    db.execute("update accounts set pace_seconds = 60")
    steps = [follow("Again, {{ name }}"), follow(None, after="4d")]
    before = everything(db)

    shown = outreach("campaigns", "check", campaign)
    checked = outreach("campaigns", "check", campaign, "--json").json

    assert shown.status == 0, shown.out
    assert "With 2 follow-ups it is done " in shown.out
    assert (
        shown.out.rstrip()
        .splitlines()[-2]
        .endswith(" at the latest, in 7 days 0 h: as if nobody answered.")
    )
    assert [(one["id"], one["step"], one["leads"]) for one in checked["steps"]] == [
        (str(steps[0]), 2, 2), (str(steps[1]), 3, 2),
    ]  # fmt: skip
    assert (checked["seconds"], checked["chain_seconds"]) == (60, 7 * DAY + 60)
    assert everything(db) == before


def test_what_is_wrong_in_a_step_is_told_as_of_a_first_mail(
    prefect_api: str,  # noqa: ARG001 - the server that a start asks for
    outreach: Outreach,
    campaign: UUID,
    follow: Follow,
) -> None:
    """Of the campaign with the step's number, of the step without; a start is kept back."""
    step = follow("Again, {{ nmae }} {{ role }}", "--subject", "On {{ topic }}")
    message = "template has {{ nmae }}, which the lead does not have"
    subject = "subject has {{ topic }}, which the lead does not have"
    empty = "template has {{ role }}, which is empty for the lead"
    expected = {("error", message, 2), ("error", subject, 2), ("warning", empty, 2)}

    of_chain = outreach("campaigns", "check", campaign, "--json")
    of_step = outreach("campaigns", "check", step, "--json")

    assert (of_chain.status, of_step.status) == (1, 1)
    assert found(of_chain) == {(s, f"Step 2: The {m}", n) for s, m, n in expected}
    assert found(of_step) == {(s, f"The {m}", n) for s, m, n in expected}
    started = outreach("campaigns", "start", campaign, "--local")
    assert (started.status, "the check found 2 errors" in started.err) == (1, True)
    assert outreach("campaigns", "status", campaign, "--json").json["status"] == "draft"


def test_a_step_that_is_added_after_the_end_is_checked_for_who_was_sent(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    db.execute("update campaign_leads set status = 'sent', sent_at = now() - interval '1 day'")
    db.execute("update campaigns set status = 'completed'")
    step = follow("Again, {{ nmae }}")

    of_chain = outreach("campaigns", "check", campaign, "--json")
    of_step = outreach("campaigns", "check", step, "--json")

    message = "The template has {{ nmae }}, which the lead does not have"
    assert found(of_chain) == {("error", f"Step 2: {message}", 2)}
    assert found(of_step) == {("error", message, 2)}
    assert of_step.json["pending"] == of_step.json["looked_at"] == 2
    assert 1.9 * DAY < of_step.json["seconds"] <= 2 * DAY


def test_a_step_is_no_mail_within_the_cooldown_of_its_own_chain(
    outreach: Outreach, follow: Follow, db: psycopg.Connection
) -> None:
    db.execute("update campaign_leads set status = 'sent', sent_at = now()")
    assert found(outreach("campaigns", "check", follow(), "--json")) == set()


def test_rows_of_a_web_app_are_checked_for_what_they_lack(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection
) -> None:
    """A row takes nothing from the first campaign but its accounts."""
    db.execute(
        "update campaigns set send_from = '08:00', send_until = '20:00', time_zone = 'UTC',"
        " footer = 'A street; {{ unsubscribe_url }}', footer_required = true, list_unsubscribe = true"
    )
    gap = uuid4()
    db.execute(
        "insert into campaigns (id, name, status, parent_id, step, delay_days, attachment)"
        " values (%s, 'Spring', 'draft', %s, 3, 3, 'gone.pdf')",
        (gap, campaign),
    )
    db.execute("insert into accounts (email, refresh_token) values ('ben@ours.example', 't')")
    db.execute(
        "insert into campaign_accounts (campaign_id, account_id) select %s, id from accounts"
        " where email = 'ben@ours.example'",
        (gap,),
    )

    told = {
        (severity, message.removeprefix("Step 3: "))
        for severity, message, _ in found(outreach("campaigns", "check", campaign, "--json"))
        if message.startswith("Step 3: ")
    }

    assert {
        ("error", "There is no step 2 for it to follow, so it is cancelled"),
        ("error", "It lacks 1 account(s) of the first campaign"),
        ("warning", "It has no send window, while the first campaign has one"),
        ("warning", "It has no footer, while the first campaign has one"),
        ("warning", "Its mails have no header to unsubscribe, while those of the first campaign have"),
    } <= told  # fmt: skip
    assert any("gone.pdf" in message for _, message in told)


def test_a_row_with_nothing_but_its_place_is_a_whole_step(
    outreach: Outreach, campaign: UUID, db: psycopg.Connection
) -> None:
    """Its accounts are those of the first campaign, before it is planned, too."""
    made = db.execute(
        "insert into campaigns (name, status, parent_id, step, delay_seconds, attachment)"
        " values ('More', 'draft', %s, 2, 60, '') returning id",
        (campaign,),
    ).fetchone()
    assert made is not None
    ran = outreach("campaigns", "check", made[0], "--json")
    assert (found(ran), ran.json["pending"], ran.json["accounts"]) == (set(), 2, 1)


def test_a_pause_and_a_cancel_of_the_first_campaign_are_told_of_a_step(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    step = follow()
    db.execute("update campaigns set paused_at = now() where id = %s", (campaign,))
    paused = outreach("campaigns", "check", step, "--json")
    db.execute("update campaigns set status = 'cancelled' where id = %s", (campaign,))
    cancelled = outreach("campaigns", "check", step, "--json")
    assert found(paused) == {
        ("warning", "Its first campaign is paused: nothing leaves until then", 0)
    }
    assert ("error", "Its first campaign is cancelled: nothing of it leaves any more", 2) in found(
        cancelled
    )


def test_an_account_that_cannot_read_is_an_error_where_it_has_follow_ups(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    """Without them a warning; of the campaign and of the step."""
    db.execute("update accounts set refresh_token = 'sandbox:ada@ours.example:compose'")
    alone = found(outreach("campaigns", "check", campaign, "--json"))
    step = follow()
    chained = [found(outreach("campaigns", "check", one, "--json")) for one in (campaign, step)]
    assert {(severity, message) for severity, message, _ in alone} == {("warning", UNREAD)}
    for one in chained:
        assert {(severity, message) for severity, message, _ in one} == {("error", UNREAD)}


# --- preview and test-send ------------------------------------------------------------------------


def test_a_step_is_previewed_before_it_is_planned(
    outreach: Outreach, follow: Follow, db: psycopg.Connection, tmp_path: Path
) -> None:
    """To the leads of the campaign before, under `Re:`; later steps go on in the newest thread."""
    second = follow("Again, {{ name }}")
    third = follow("Third, {{ name }}", "--subject", "Another idea, {{ name }}")
    fourth = follow("Last")
    before = everything(db)

    mails = {
        step: previewed(outreach, step, tmp_path / str(step)) for step in (second, third, fourth)
    }

    subjects = {step: sorted(mail["Subject"] for mail in some) for step, some in mails.items()}
    assert subjects == {
        second: ["Re: A deck", "Re: A deck"],
        third: ["Another idea, Bob", "Another idea, Zoë"],
        fourth: ["Re: Another idea, Bob", "Re: Another idea, Zoë"],
    }
    assert [bool(some[0]["In-Reply-To"]) for some in mails.values()] == [True, False, True]
    assert {str(mail["To"]) for mail in mails[fourth]} == {
        "Zoë <zoe@acme.example>", "Bob <bob@acme.example>",
    }  # fmt: skip
    body = mails[second][0].get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("Again, ")
    assert "in the thread" in (tmp_path / str(second) / "index.html").read_text()
    assert everything(db) == before


def test_a_preview_of_a_step_shows_who_is_still_in_the_chain(
    outreach: Outreach, follow: Follow, db: psycopg.Connection, store: Store, tmp_path: Path
) -> None:  # fmt: skip
    """Once, whether planned or not; not who failed or has left."""
    db.execute(
        "update campaign_leads cl set status = 'failed' from leads l"
        " where l.id = cl.lead_id and l.name = 'Bob'"
    )
    step = follow("Again")
    assert len(previewed(outreach, step, tmp_path / "a")) == 1
    db.execute(
        "update campaign_leads set status = 'sent', sent_at = now() - interval '3 days' where status = 'pending'"
    )
    assert [mail.lead.email for mail in store.list_mails(step)] == ["zoe@acme.example"]
    db.execute(
        "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id, address,"
        " started_at, search_token, finished_at, outcome) select gen_random_uuid(), campaign_id, id,"
        " assigned_account_id, gen_random_uuid(), 'zoe@acme.example', now(), 'o', now(), 'sent'"
        " from campaign_leads where status = 'sent'"
    )
    db.execute("update campaigns set status = 'completed' where parent_id is null")
    assert store.plan_steps() == 1
    [mail] = store.list_mails(step)
    assert (mail.lead.email, mail.status) == ("zoe@acme.example", "pending")


def test_a_test_of_a_step_stands_alone_under_its_subject(
    outreach: Outreach, follow: Follow, gmail: httpx.Client, db: psycopg.Connection
) -> None:
    """In the lead's thread it would be a mail of the account's owner, and end the chain."""
    step = follow("Again, {{ name }}")
    before = everything(db)
    ran = outreach(
        "campaigns", "test-send", step, "--to", "me@mine.example", "--lead", "zoe@acme.example"
    )
    [mail] = gmail.get("/sandbox/mails").json()
    assert (mail["to"], mail["subject"]) == ("me@mine.example", "[Test] Re: A deck")
    assert ran.out.splitlines()[-1] == (
        "It stands alone here; the lead gets it in the thread of the mail before."
    )
    refused = one_sentence(outreach("campaigns", "test-send", step, "--to", "bob@acme.example"))
    assert "is a lead of this campaign" in refused
    assert everything(db) == before


# --- status and list ------------------------------------------------------------------------------


def test_status_tells_who_left_the_chain_and_why(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    """`saved` are those that had said something; a lead that was deleted had not."""
    step = follow()
    reasons = [
        "answered on 2026-11-25", "answered on 2026-11-26", "bounced on 2026-11-25",
        "opted out on 2026-11-25", "it was due on 2026-11-25, too long ago", "the lead was deleted",
    ]  # fmt: skip
    for reason in reasons:
        db.execute(
            "insert into campaign_leads (campaign_id, status, error) values (%s, 'cancelled', %s)",
            (step, reason),
        )

    [told] = outreach("campaigns", "status", campaign, "--json").json["steps"]
    shown = outreach("campaigns", "status", campaign).out
    of_step = outreach("campaigns", "status", step).out

    assert told["left"] == [
        {"reason": "answered", "leads": 2},
        {"reason": "bounced", "leads": 1},
        {"reason": "opted out", "leads": 1},
        {"reason": "the lead was deleted", "leads": 1},
        {"reason": "was due too long ago", "leads": 1},
    ]
    assert (told["saved"], told["reply_rate"], told["waiting"]) == (4, None, 0)
    assert shown.endswith(
        "not mailed in step 2: 2 answered, 1 bounced, 1 opted out, 1 the lead was deleted,"
        " 1 was due too long ago\n"
    )
    assert f"2 of {campaign}" in of_step
    assert "2 answered, 1 bounced" in of_step


def test_status_of_a_step_tells_what_it_waits_for(
    outreach: Outreach, campaign: UUID, follow: Follow, db: psycopg.Connection
) -> None:
    step = follow(None, after="2h")

    def now() -> str:
        return str(outreach("campaigns", "status", step, "--json").json["now"])

    draft = now()
    db.execute("update campaigns set status = 'scheduled' where id = %s", (step,))
    unsent = now()
    db.execute("update campaign_leads set status = 'sent', sent_at = now() - interval '1 hour'")
    waits = now()
    db.execute("update campaigns set paused_at = now() where id = %s", (campaign,))
    assert (
        draft == f"It is a draft; `outreach campaigns start {campaign}` sends its first campaign."
    )
    assert unsent == "It follows the mail before it, and nobody is to be followed yet."
    assert waits.startswith("It follows the mail before it; the next of its mails is due in ")
    assert now() == f"Its first campaign is paused. `outreach campaigns resume {campaign}` goes on."


def test_steps_are_listed_under_their_campaign(
    outreach: Outreach, campaign: UUID, follow: Follow
) -> None:
    """Whatever was made meanwhile; alone where the campaign itself is not listed."""
    second = follow()
    made = outreach(
        "campaigns", "create", "--name", "Autumn", "--tag", "spring", "--account", "ada@ours.example"
    )  # fmt: skip
    other, third = UUID(made.out.strip()), follow()
    listed = outreach("campaigns", "list").out.splitlines()
    ids = [UUID(line.split("\t")[0]) for line in listed if "Spring" in line or "Autumn" in line]
    assert ids == [other, campaign, second, third]

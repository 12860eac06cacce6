"""The real flow, from pending leads to mails that Gmail accepted and rows that say so."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from fast_mail_parser import parse_email
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun

from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.errors import (
    AccountMissing,
    AttachmentMissing,
    CampaignNotFound,
    NeverOpen,
    NoAccounts,
)
from outreach.store.store import Store
from tasks import send
from tests.flows.conftest import PDF, NewCampaign

pytestmark = pytest.mark.usefixtures("prefect_api")


def sent_to(gmail: httpx.Client) -> list[str]:
    return sorted(mail["to"] for mail in gmail.get("/sandbox/mails").json())


def recorded_sends(flow_run: str, count: int = 1, seconds: float = 20) -> list[TaskRun]:
    """So many sends of a run in Prefect's own database, which has them a moment later."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run)]))
    deadline = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_task_runs(flow_run_filter=chosen)
            sends = [run for run in runs if run.name.startswith("send ")]
            final = [run for run in sends if run.state and run.state.is_final()]
            if len(final) == len(sends) >= count:
                return sends
    pytest.fail("Prefect does not record the sends")


def test_each_lead_gets_one_mail_and_a_row_that_says_so(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """The whole job: what Gmail holds and what the database says is the same."""
    campaign = new_campaign(leads=9, accounts=3)

    state = send_campaign(campaign, return_state=True)

    assert (state.name, state.message) == ("Completed", "9/9 sent")
    assert state.result() == {"success": True, "emails_sent": 9, "total_leads": 9}
    rows = list(store.list_campaign_leads(campaign))
    mails = {mail["to"]: mail for mail in gmail.get("/sandbox/mails").json()}
    assert len(mails) == len(rows) == 9
    assert {(row.email, row.message_id, row.thread_id, row.account) for row in rows} == {
        (to, mail["id"], mail["thread_id"], mail["account"]) for to, mail in mails.items()
    }
    status = store.campaign_status(campaign)
    assert (status.status, status.error, status.leads) == ("completed", None, LeadCounts(sent=9))


def test_the_mail_is_well_formed_for_a_parser_that_did_not_build_it(
    gmail: httpx.Client, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """Subject, names, both bodies, the pixel and the PDF arrive as they were meant."""
    campaign = new_campaign(
        [
            {
                "email": "zoe@acme.example",
                "name": "Zoë <b>Müller</b>",
                "company": "Acme, Ünlimited",
                "domain": "acme.example",
                "email_subject": "Schöne Grüße",
                "email_template": "<p>Hello {{ name }} of {company}</p>",
            }
        ]
    )

    send_campaign(campaign)

    (mail,) = gmail.get("/sandbox/mails").json()
    raw = gmail.get(f"/sandbox/mails/{mail['id']}/raw").content
    parsed = parse_email(raw)
    (lead_id,) = db.execute("select id from campaign_leads").fetchone() or ()
    assert parsed.subject == "Schöne Grüße"
    assert parsed.headers["From"] == ["Ada Löwe <sender0@ours.example>"]
    assert "zoe@acme.example" in parsed.headers["To"][0]
    (html,) = parsed.text_html
    assert "<p>Hello Zoë &lt;b&gt;Müller&lt;/b&gt; of Acme, Ünlimited</p>" in html
    pixel = f"https://app.example/api/track/open?id={lead_id}&amp;type=campaign_lead"
    assert html.index(pixel) < html.index("</body>")
    (text,) = parsed.text_plain
    assert "Hello Zoë <b>Müller</b> of Acme, Ünlimited" in text
    (attachment,) = parsed.attachments
    assert (attachment.filename, attachment.mimetype, bytes(attachment.content)) == (
        "Project Reach Out Deck.pdf",
        "application/pdf",
        PDF,
    )


def told(task_run: TaskRun) -> list[str]:
    """The states of a task run that Prefect's server heard of, in their order."""
    with get_client(sync_client=True) as client:
        answer = client.request("GET", "/task_run_states/", params={"task_run_id": task_run.id})
    return [state["name"] for state in answer.json()]


def test_prefect_hears_of_a_mail_once_when_it_is_over(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "ROWS_A_SECOND", float("inf"))
    campaign = new_campaign(leads=2)

    send_campaign(campaign)

    (run,) = store.campaign_status(campaign).flow_run_ids
    for mail in recorded_sends(run, count=2):
        assert told(mail) == ["Completed"]
        assert mail.run_count == mail.flow_run_run_count == 1
        assert mail.start_time is not None
        assert mail.end_time == mail.start_time + mail.total_run_time
        assert mail.flow_run_id == UUID(run)


def test_prefect_hears_of_a_group_from_its_first_mail_on(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group's mails may take an hour."""
    monkeypatch.setattr(send, "ROWS_A_SECOND", 0)
    campaign = new_campaign(leads=2)

    send_campaign(campaign)

    (run,) = store.campaign_status(campaign).flow_run_ids
    (group,) = recorded_sends(run)
    assert told(group) == ["Pending", "Running", "Completed"]


def test_prefect_hears_of_a_retry_when_it_is_due(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on there is something to watch."""
    monkeypatch.setattr(send.send, "retry_delay_seconds", 0.01)
    campaign = new_campaign(leads=1)
    fault = {"fault": "unavailable_503", "on": "drafts.create", "times": 1}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()

    send_campaign(campaign)

    (run,) = store.campaign_status(campaign).flow_run_ids
    (mail,) = recorded_sends(run)
    assert told(mail) == ["AwaitingRetry", "Retrying", "Completed"]
    assert mail.run_count == 2


@pytest.mark.slow
@pytest.mark.parametrize("scopes", ["modify", "send"])
def test_two_thousand_leads_over_four_accounts_are_all_mailed_once(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, scopes: str
) -> None:
    """With pace 0 and either delivery; the original stopped silently at 1,000."""
    campaign = new_campaign(leads=2000, accounts=4, scopes=scopes)

    state = send_campaign(campaign, return_state=True)

    assert state.message == "2000/2000 sent"
    status = store.campaign_status(campaign)
    assert (status.status, status.leads) == ("completed", LeadCounts(sent=2000))
    assert len(set(sent_to(gmail))) == len(sent_to(gmail)) == 2000
    assert gmail.get("/sandbox/drafts").json() == []


def test_what_cannot_be_sent_fails_alone_and_says_why(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """No template, an unknown placeholder, hostile ones, a refused address: one lead each."""

    def lead(name: str, **changed: object) -> dict[str, object]:
        return {
            "email": f"{name}@{name}.example",
            "name": name,
            "company": name,
            "domain": f"{name}.example",
            "email_subject": "Hi",
            "email_template": "<p>Hello {{ name }}</p>",
        } | changed

    campaign = new_campaign(
        [
            lead("fine"),
            lead("css", email_template="<style>p { color: red }</style><p>Hi {name}</p>"),
            lead("blank", email_template=""),
            lead("typo", email_template="<p>Hi {{ nmae }}</p>"),
            lead("syntax", email_template="<p>Hi {{ name </p>"),
            lead("hostile", email_template="{{ ''.__class__.__mro__ }}"),
            lead("broken", email_subject="Hi\nBcc: all@acme.example"),
            lead("refused"),
        ]
    )

    state = send_campaign(campaign, return_state=True)

    reasons = {
        str(row.email).partition("@")[0]: row.error
        for row in store.list_campaign_leads(campaign, "failed")
    }
    assert state.message == "2/8 sent"
    assert sent_to(gmail) == ["css@css.example", "fine@fine.example"]
    assert set(reasons) == {"blank", "typo", "syntax", "hostile", "broken", "refused"}
    assert "nmae" in str(reasons["typo"])
    assert all(reason and "Traceback" not in reason for reason in reasons.values())


def test_a_campaign_of_which_nothing_was_sent_is_an_error(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """As in the original; Prefect shows the run as failed, too."""
    campaign = new_campaign([{"email": "refused@acme.example", "email_subject": "x"}])

    state = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert (status.status, status.error) == ("error", "All email sends failed")
    assert (state.name, state.message) == ("Failed", "All email sends failed: 0/1 sent")
    assert sent_to(gmail) == []
    again = send_campaign(campaign, return_state=True)
    assert (again.name, again.message) == (
        "Failed",
        "The campaign is in error: All email sends failed",
    )


def test_a_second_run_of_an_ended_campaign_sends_nothing(
    gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """Starting again what is completed says so."""
    campaign = new_campaign(leads=2)
    send_campaign(campaign)

    state = send_campaign(campaign, return_state=True)

    assert state.name == "AlreadyEnded"
    assert len(sent_to(gmail)) == 2


def test_a_run_leaves_alone_what_another_run_owns(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """Two triggers at once: one sends, the other says so."""
    campaign = new_campaign(leads=2)
    store.begin_run(campaign, uuid4(), 60)

    state = send_campaign(campaign, return_state=True)

    assert state.name == "AlreadyRunning"
    assert sent_to(gmail) == []
    assert store.campaign_status(campaign).status == "running"


def test_a_run_that_fails_since_prefect_is_away_gives_its_campaign_back(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may pass: it is no error of the campaign's, and the dispatcher goes on."""
    campaign = new_campaign(leads=2)

    @contextmanager
    def away(*_: object) -> Iterator[None]:
        raise httpx.ConnectError("no route")
        yield

    monkeypatch.setattr("flows.send_campaign.sender_slots", away)
    state = send_campaign(campaign, return_state=True)
    monkeypatch.undo()

    assert (state.name, store.campaign_status(campaign).status) == ("Failed", "running")
    assert send_campaign(campaign, return_state=True).name == "Completed"
    assert store.campaign_status(campaign).leads == LeadCounts(sent=2)


def test_an_unknown_campaign_fails_the_run_and_marks_nothing(store: Store) -> None:
    """There is nothing to retry and nothing to mark."""
    state = send_campaign(uuid4(), return_state=True)

    assert state.is_failed()
    with pytest.raises(CampaignNotFound):
        state.result()
    assert list(store.list_campaigns()) == []


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        ("delete from campaign_accounts", NoAccounts),
        ("update campaign_leads set assigned_account_id = null", AccountMissing),
        ("update campaigns set attachment = 'gone.pdf'", AttachmentMissing),
        ("update campaigns set attachment = '/etc/passwd'", AttachmentMissing),
    ],
)
def test_what_stops_a_campaign_is_found_before_the_first_mail(
    store: Store,
    gmail: httpx.Client,
    db: psycopg.Connection,
    new_campaign: NewCampaign,
    harm: str,
    error: type[Exception],
) -> None:
    """The hook marks the campaign, its leads stay pending, and the reason says what to do."""
    campaign = new_campaign(leads=2)
    db.execute(harm.encode())

    state = send_campaign(campaign, return_state=True)

    with pytest.raises(error):
        state.result()
    status = store.campaign_status(campaign)
    assert (status.status, status.leads) == ("error", LeadCounts(pending=2))
    assert status.error is not None
    assert "then start it again" in status.error
    assert sent_to(gmail) == []


def test_a_campaign_with_an_account_of_another_user_ends_in_error(
    store: Store, gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """The state's message is the campaign's error, which says what to do; mended, it goes on."""
    campaign = new_campaign(leads=1)
    db.execute("update campaigns set user_id = gen_random_uuid()")
    db.execute("update accounts set user_id = gen_random_uuid()")

    state = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert state.is_failed()
    assert (status.status, status.leads, status.error) == (
        "error",
        LeadCounts(pending=1),
        state.message,
    )
    assert str(status.error).startswith("The campaign names accounts of another user (sender")
    assert sent_to(gmail) == []

    db.execute("update campaigns set user_id = null")
    assert send_campaign(campaign, return_state=True).message == "1/1 sent"


def test_one_mailbox_gets_one_mail_however_its_leads_spell_it(
    gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """What stands in To is what the log compares."""
    spelt = ["x@bücher.example", "x@xn--bcher-kva.example", "x@bu\u0308cher.example",
             "x@bücher.example\u00a0", "x@BÜCHER。example"]  # fmt: skip
    campaign = new_campaign(leads=len(spelt))
    ids = [row[0] for row in db.execute("select id from leads order by id")]
    for lead, address in zip(ids, spelt, strict=True):
        db.execute("update leads set email = %s where id = %s", (address, lead))

    state = send_campaign(campaign, return_state=True)

    assert state.message == f"1/{len(spelt)} sent"
    assert sent_to(gmail) == ["x@xn--bcher-kva.example"]
    assert db.execute("select distinct address from send_attempts").fetchall() == [
        ("x@xn--bcher-kva.example",)
    ]


def test_after_its_cause_was_mended_a_campaign_in_error_goes_on(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """A terminating error keeps the leads for the next start."""
    campaign = new_campaign(leads=2)
    db.execute("update campaigns set attachment = 'gone.pdf'")
    send_campaign(campaign, return_state=True)
    db.execute("update campaigns set attachment = null")

    state = send_campaign(campaign, return_state=True)

    assert state.message == "2/2 sent"
    assert store.campaign_status(campaign).status == "completed"


def test_a_campaign_without_an_attachment_of_its_own_choice_sends_none(
    gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """An empty attachment means none."""
    campaign = new_campaign(leads=1)
    db.execute("update campaigns set attachment = ''")

    send_campaign(campaign)

    (mail,) = gmail.get("/sandbox/mails").json()
    assert parse_email(gmail.get(f"/sandbox/mails/{mail['id']}/raw").content).attachments == []


def test_an_empty_campaign_completes(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """No lead is no error, as in the original."""
    campaign = new_campaign(leads=1)
    db.execute("delete from campaign_leads")

    state = send_campaign(campaign, return_state=True)

    assert state.message == "0/0 sent"
    assert store.campaign_status(campaign).status == "completed"


def test_a_scheduled_campaign_waits_for_its_time(
    gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """No mail leaves before scheduled_at."""
    campaign = new_campaign(leads=1)
    due = datetime.now(UTC) + timedelta(seconds=2)
    db.execute("update campaigns set status = 'scheduled', scheduled_at = %s", [due])

    state = send_campaign(campaign, return_state=True)

    (mail,) = gmail.get("/sandbox/mails").json()
    assert state.message == "1/1 sent"
    assert mail["accepted_at"] >= due.timestamp()


def test_a_lost_answer_is_looked_up_and_never_posted_again(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """Gmail accepts and closes without a word, every second time: all recorded, none twice."""
    campaign = new_campaign(leads=10, accounts=2)
    fault = {"fault": "accept_then_close", "on": "drafts.send", "every": 2}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()

    state = send_campaign(campaign, return_state=True)

    assert state.message == "10/10 sent"
    assert gmail.get("/sandbox/duplicates").json() == {}
    assert all(row.message_id for row in store.list_campaign_leads(campaign))


def test_a_passing_failure_is_retried_by_prefect(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """Gmail is away while the draft is made; the retry is a row in Prefect's UI."""
    campaign = new_campaign(leads=1)
    gmail.post(
        "/sandbox/faults", json={"fault": "unavailable_503", "on": "drafts.create", "times": 1}
    )

    state = send_campaign(campaign, return_state=True)

    (run_id,) = store.campaign_status(campaign).flow_run_ids
    (send,) = recorded_sends(run_id)
    assert (state.message, send.run_count) == ("1/1 sent", 2)
    assert len(sent_to(gmail)) == 1


def test_a_revoked_account_fails_its_leads_and_no_others(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """One account of two is revoked: marked, and its leads say to reconnect it."""
    campaign = new_campaign(leads=6, accounts=2)
    gmail.post("/sandbox/revoke", json={"account": "sender0@ours.example"}).raise_for_status()

    state = send_campaign(campaign, return_state=True)

    failed = list(store.list_campaign_leads(campaign, "failed"))
    assert state.message == "3/6 sent"
    assert {row.account for row in failed} == {"sender0@ours.example"}
    assert all("reconnect" in str(row.error).lower() for row in failed)
    assert {a.email: a.status for a in store.list_accounts()} == {
        "sender0@ours.example": "unusable",
        "sender1@ours.example": "active",
    }


def test_a_quota_defers_leads_and_never_fails_them(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """The account rests; the campaign stays running and says what it waits for."""
    campaign = new_campaign(leads=3)
    gmail.post("/sandbox/faults", json={"fault": "mail_sending_429", "on": "send"})

    state = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert state.name == "Deferred"
    assert (status.status, status.leads) == ("running", LeadCounts(pending=3))
    assert status.resume_at is not None
    assert status.resume_at > datetime.now(UTC) + timedelta(minutes=10)


def test_a_daily_limit_defers_and_prefect_shows_the_account_masked(
    store: Store, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """Its status names the account, for who may read the database."""
    campaign = new_campaign(leads=3)
    db.execute("update accounts set daily_limit = 1")

    state = send_campaign(campaign, return_state=True)

    waiting_for = store.campaign_status(campaign).waiting_for or ""
    assert waiting_for.startswith("the daily limit of sender")
    assert state.name == "Deferred"
    assert (state.message or "").endswith(" after the daily limit of s…@ours.example (1)")


def test_outside_its_window_a_campaign_waits_for_the_next_opening(
    store: Store, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """Nobody is mailed, nobody waits in a worker, and the campaign says when it goes on."""
    campaign = new_campaign(leads=2)
    opens = (datetime.now(UTC) + timedelta(days=2)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    db.execute(
        "update campaigns set send_days = %s, time_zone = 'UTC' where id = %s",
        ([opens.isoweekday()], campaign),
    )

    state = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert state.name == "Deferred"
    assert (status.status, status.leads) == ("running", LeadCounts(pending=2))
    assert status.waiting_for == f"its sending window, which opens {opens:%a} 00:00 UTC"
    assert status.resume_at is not None
    assert abs(status.resume_at - opens) < timedelta(seconds=1)


def test_a_window_that_never_opens_ends_the_campaign_before_its_first_mail(
    store: Store, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """The message says what to correct."""
    campaign = new_campaign()
    db.execute("update campaigns set send_days = '{}' where id = %s", (campaign,))
    with pytest.raises(NeverOpen):
        send_campaign(campaign)
    assert "never opens" in str(store.campaign_status(campaign).error)


def test_the_run_tells_its_story_without_addresses_or_secrets(
    new_campaign: NewCampaign, store: Store
) -> None:
    """Every lead has a task run in Prefect's own database; no address is there in full."""
    campaign = new_campaign([{"email": "refused@acme.example", "email_subject": "x"}])
    send_campaign(campaign, return_state=True)
    (run_id,) = store.campaign_status(campaign).flow_run_ids

    (send,) = recorded_sends(run_id)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
        logs = client.read_logs()

    assert (run.name, run.parameters) == ("send Spring", {"campaign_id": str(campaign)})
    assert send.name == "send r…@acme.example"
    shown = run.model_dump_json() + "".join(log.message for log in logs)
    assert "refused@acme.example" not in shown
    assert "sandbox:" not in shown

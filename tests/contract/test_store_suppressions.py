"""Suppressions through the Store, over either transport."""

from uuid import UUID, uuid4

import pytest

from outreach.campaign.models import LeadCounts
from outreach.errors import Rejected
from outreach.store.store import Store


@pytest.fixture
def campaign(store: Store) -> UUID:
    """A running campaign with two leads."""
    store.save_account(uuid4(), "ann@us.test", refresh_token="t")
    store.import_leads([{"email": "bob@acme.test"}, {"email": "eve@acme.test"}], "spring")
    made = uuid4()
    store.create_campaign(made, "Spring", ["ann@us.test"], tag="spring")
    store.start_campaign(made)
    return made


def errors(store: Store, campaign: UUID) -> dict[str | None, str | None]:
    """Without the day."""
    return {
        lead.email: lead.error and lead.error.partition(" on 2")[0]
        for lead in store.list_campaign_leads(campaign)
    }


def test_an_unsubscribe_link_suppresses_and_the_next_campaign_passes_over(
    store: Store, campaign: UUID
) -> None:
    """From the mail's token to the row that says why."""
    run = uuid4()
    store.begin_run(campaign, run, 60)
    for number, claim in enumerate(store.claim_leads(uuid4(), campaign, run, 2).claims):
        attempt = uuid4()
        store.begin_attempt(attempt, claim, run, f"o{number}", None, None)
        store.record_outcome(attempt, "sent", message_id="m")
    answers = [store.unsubscribe(token).answer for token in ("o0", "o0", "o7")]
    again = uuid4()
    store.create_campaign(again, "Summer", ["ann@us.test"], tag="spring")
    swept = [store.sweep_suppressed(), store.sweep_suppressed()]
    reasons = [(one.reason, one.leads) for one in store.cancelled_reasons(again)]
    assert answers == ["done", "already", "unknown"]
    assert [(one.suppressions, one.leads) for one in swept] == [(1, 1), (0, 0)]
    assert (reasons, store.campaign_status(again).leads) == (
        [("opted out", 1)],
        LeadCounts(pending=1, cancelled=1),
    )


def test_the_beginning_of_a_mail_is_answered_with_the_reason(store: Store, campaign: UUID) -> None:
    run = uuid4()
    store.begin_run(campaign, run, 60)
    claims = store.claim_leads(uuid4(), campaign, run, 2).claims
    store.suppress([{"key": "acme.test", "reason": "a competitor"}], "command")
    answers = [store.begin_attempt(uuid4(), c, run, "o", "d", None) for c in claims]
    assert {answer.answer for answer in answers} == {"cancelled"}
    assert all(answer.reason.endswith("all of acme.test: a competitor") for answer in answers)
    assert errors(store, campaign) == {"bob@acme.test": "suppressed", "eve@acme.test": "suppressed"}


def test_planned_mails_tell_who_is_suppressed(store: Store, campaign: UUID) -> None:
    store.suppress([{"key": "bob@acme.test", "cause": "opt_out"}], "command")
    told = {mail.lead.email: mail.suppressed for mail in store.list_mails(campaign)}
    assert told == {"bob@acme.test": "opted out", "eve@acme.test": None}


def test_what_is_lifted_can_be_retried(store: Store, campaign: UUID) -> None:
    """And the acts are noted."""
    added = store.suppress([{"key": "bob@acme.test"}], "command", by="Ann")
    store.sweep_suppressed()
    held = store.retry_failed(campaign, suppressed=True)
    listed = [(one.key, one.cause, one.holds) for one in store.list_suppressions()]
    lifted = store.lift_suppressions(["bob@acme.test"], "Ann")
    assert (added.added, held, lifted.lifted, lifted.still) == (1, 0, 1, [])
    assert listed == [("bob@acme.test", "listed", True)]
    assert store.retry_failed(campaign, suppressed=True) == 1
    assert [(act.act, act.by) for act in store.list_acts("bob@acme.test")] == [
        ("suppressed", "Ann"),
        ("lifted", "Ann"),
    ]
    with pytest.raises(Rejected, match="in the name of a person"):
        store.lift_suppressions(["bob@acme.test"], " ")


def test_all_pages_of_suppressions_are_listed(store: Store) -> None:
    """More than a page, in the order in which they came."""
    for start in (0, 1000, 2000):
        store.suppress([{"key": f"{n}@x.test"} for n in range(start, start + 1000)], "import")
    assert len({one.key for one in store.list_suppressions()}) == 3000

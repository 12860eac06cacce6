"""Send one campaign: every pending lead gets one personal mail, or a reason why not."""

from typing import Annotated, Any
from uuid import UUID

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.hooks import cancel_campaign, fail_campaign, release_campaign
from flows.parameters import tell_what_is_wrong
from flows.states import ended, handed_back
from tasks.background import completed_at_end
from tasks.campaign import begin, check, finish
from tasks.delivery import Delivery
from tasks.leads import claim, settle
from tasks.lease import owned
from tasks.orders import heed, holding
from tasks.plan import CampaignPlan, Deferral
from tasks.report import report
from tasks.run import CampaignRun
from tasks.send import CampaignSender, grouped, mail_rates, send
from tasks.sender_threads import SenderThreads
from tasks.slots import NoSlotsError, sender_slots
from tasks.stopping import give_back, given_back, stoppable, unstoppable
from tasks.token import StopRequest, current_token

Id = Annotated[
    UUID,
    Field(
        json_schema_extra={
            "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            "maxLength": 36,  # `$` alone lets a line break follow
        }
    ),
]
"""Prefect's API and its form check these; for a mere `format` they accept any text."""


@flow(
    name="send-campaign",
    task_runner=SenderThreads(),  # type: ignore[arg-type]  # Prefect types futures invariantly
    persist_result=True,
    on_failure=[fail_campaign, tell_what_is_wrong],
    on_crashed=[release_campaign, tell_what_is_wrong],
    on_cancellation=[cancel_campaign],
)
def send_campaign(campaign_id: Id) -> State[Any]:
    """Mail every pending lead of one campaign, once, and set the campaign's status.

    Args:
        campaign_id: The id of the campaign (campaigns.id); a schedule needs it too, whatever its
            form says. All else is in the database.

    Returns `success`, `emails_sent` and `total_leads`, with "45/50 sent" as the state's message.
    """
    try:
        with stoppable(lambda: give_back(campaign_id)), holding(campaign_id), completed_at_end():
            state = send_all(campaign_id)
    except StopRequest:
        state = given_back(campaign_id)
    current_token().ending = state
    return state


def send_all(campaign_id: UUID) -> State[Any]:
    """The steps of one run."""
    begun = begin(campaign_id)
    current_token().obey()
    if begun.answer != "begun":
        return handed_back(begun)
    with owned(campaign_id) as run:
        plan = check(run)
        later = deliver(run, plan)
        heed(run)
        with unstoppable():
            finished = finish(run, plan, later)
            report(run, plan, finished)
    return ended(finished)


def deliver(run: CampaignRun, plan: CampaignPlan) -> Deferral | None:
    """Mail the leads that can go now; returns when and why the others go later, if any."""
    in_doubt = settle(run)
    try:
        with (
            sender_slots(run, plan) as slots,
            mail_rates.counted(run.id, plan.mails_a_second),
            run.sent_log.kept(),
        ):
            return send_leads(run, plan, CampaignSender(run, plan, slots), in_doubt)
    except NoSlotsError as error:
        return Deferral(60, str(error))


def send_leads(
    run: CampaignRun, plan: CampaignPlan, sender: CampaignSender, in_doubt: int
) -> Deferral | None:
    """Claim and send until no lead is left; claims the next leads before the last ones left."""
    delivery, later = Delivery(run, plan), None
    while not run.token.stopped:
        batch = claim(run)
        if batch.answer == "claimed":
            delivery.add(send.map(grouped(batch.claims, plan.threads), unmapped(sender)))
            delivery.until_next_claim()
        elif batch.answer == "later" and delivery.wait_for(batch):
            if in_doubt or run.outcomes.of("open"):
                in_doubt = settle(run)
        else:
            later = Deferral(batch.wait_seconds, batch.waiting_for)
            break
    delivery.finish()
    return later

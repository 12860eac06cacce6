"""Final states of send_campaign's runs, in Prefect's words."""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from outreach.campaign.durations import format_duration
from outreach.store.results import Begun, Finished
from tasks.orders import until_resumed


def handed_back(begun: Begun) -> State[Any]:
    """The campaign is not this run's to send; while it is in error no run ends well."""
    if begun.status == "error" and begun.answer != "failed":
        return Failed(message=f"The campaign is in error: {begun.error or 'see its status'}")
    match begun.answer:
        case "already_running":
            return Completed(name="AlreadyRunning", message="Another run is sending this campaign.")
        case "failed":
            died = "Three runs in a row died without progress; see the campaign."
            return Failed(message=begun.reason or died)
        case "already_ended":
            return Completed(name="AlreadyEnded", message=f"The campaign is {begun.status}.")
        case "wait":
            return Completed(
                name="Deferred",
                message=f"Due in {format_duration(begun.wait_seconds)}: "
                "the dispatcher starts it then.",
            )
        case _:
            return Completed(name="Paused", message="The campaign is paused; resume it first.")


def ended(finished: Finished) -> State[Any]:
    """The campaign's outcome, with the counts of all its leads."""
    message = f"{finished.leads.sent}/{finished.leads.total} sent"
    if finished.answer == "superseded" and finished.status == "cancelled":
        return Cancelled(message=f"The campaign was cancelled: {message}.")
    if finished.answer == "superseded" and finished.status == "error":
        return Failed(message=f"The campaign ended in error meanwhile: {message}.")
    if finished.answer == "superseded":
        return Completed(name="Superseded", message=f"Another run has taken over: {message}.")
    if finished.answer == "paused" and finished.suspended:
        return until_resumed(message)
    if finished.answer == "paused":
        return Completed(
            name="Paused", message=f"The campaign is paused: {message}.", data=finished.result
        )
    if finished.answer == "deferred":
        return Completed(
            name="Deferred",
            message=f"{message}; {finished.told_next}",
            data=finished.result,
        )
    if finished.error is not None:
        return Failed(message=f"{finished.error}: {message}")
    return Completed(message=message, data=finished.result)

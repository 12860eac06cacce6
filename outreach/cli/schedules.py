"""For `doctor`: finds schedules made in Prefect's UI that start a run without a campaign.

Prefect does not check a schedule's parameters, and its form for schedules shows the campaign's id
as optional: such a schedule fails each time, unnoticed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from outreach.errors import CampaignNotFound

if TYPE_CHECKING:
    from outreach.store.store import Store

LETTERS = 40
"""Characters of the value given instead of an id."""


def wrong_schedules(client: Any, store: "Store") -> Iterator[str]:
    """A sentence for each; inactive ones do no harm."""
    from prefect.exceptions import ObjectNotFound

    from outreach.deployment_names import SEND

    try:
        deployment = client.read_deployment_by_name(SEND)
    except ObjectNotFound:
        return
    for schedule in deployment.schedules:
        given = {**deployment.parameters, **schedule.parameters}.get("campaign_id")
        if schedule.active and (why := _wrong(store, given)) is not None:
            yield f"A schedule of {SEND} ({_shown(schedule.schedule)}) {why}: its runs fail."


def _wrong(store: "Store", given: object) -> str | None:
    if given is None:
        return "names no campaign"
    try:
        store.campaign_status(UUID(str(given)))
    except ValueError:
        return f"gives {str(given)[:LETTERS]!r}, which is no campaign id"
    except CampaignNotFound:
        return f"names campaign {given}, which is not there"
    return None


def _shown(schedule: Any) -> str:
    if (interval := getattr(schedule, "interval", None)) is not None:
        return f"every {interval}"
    return str(getattr(schedule, "cron", None) or getattr(schedule, "rrule", "?"))[:LETTERS]

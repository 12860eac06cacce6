"""Shows all campaigns in Prefect's UI: those that come, and a digest of each day.

The digest is an event, too, so that an automation can send it. Nothing here decides anything.
"""

from datetime import UTC, date, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.events import emit_event

from outreach.campaign.numbers import Report
from outreach.reporting import markdown, words
from outreach.wiring import current
from tasks.log import run_log
from tasks.retries import PHASE

UPCOMING = "outreach-upcoming"
DIGEST = "outreach-digest"
DIGEST_EVENT = "outreach.digest"

_shown: dict[str, str] = {}
"""What this process has put on a board: an unchanged one costs no request."""
_published: set[date] = set()


@task(**PHASE)
def show_upcoming() -> None:
    """Keep one artifact with the campaigns that will send, by name and time."""
    text = markdown.upcoming(current().store.report_upcoming())
    if _shown.get(UPCOMING) == text:
        return
    try:
        _replace(UPCOMING, text, "Upcoming campaigns")
    except httpx.HTTPError as error:
        run_log().warning("Prefect did not take the upcoming campaigns: %s", type(error).__name__)
    else:
        _shown[UPCOMING] = text


@task(**PHASE)
def publish_digest(today: date | None = None) -> None:
    """Publish the numbers of the day before, once; a day without a mail has none.

    `today`: in UTC.
    """
    store = current().store
    day = (today or datetime.now(UTC).date()) - timedelta(days=1)
    if day in _published or not store.take_digest(day):
        _published.add(day)
        return
    try:
        _publish(store.report(since=day, until=day), day)
    except Exception:
        store.leave_digest(day)
        raise
    _published.add(day)


def _publish(report: Report, day: date) -> None:
    if not report.days and not report.failures:
        return
    _create(DIGEST, markdown.digest(report, day), f"Mails of {day}")
    totals = report.totals
    emit_event(
        DIGEST_EVENT,
        resource={"prefect.resource.id": DIGEST_EVENT, "prefect.resource.name": str(day)},
        payload={
            "day": str(day),
            "sent": totals.sent,
            "refused": totals.refused,
            "unclear": totals.unclear,
            "failures": sum(one.failures for one in report.failures),
            "opened": totals.opened.model_dump(),
            "told": f"{words.mails(totals)}. Opened: {words.opened(totals)}.",
        },
        id=uuid5(NAMESPACE_URL, f"{DIGEST_EVENT} {day}"),
    )


def _replace(key: str, data: str, description: str) -> None:
    """Change the artifact with this key in place, or make it. Raises httpx.HTTPError."""
    chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=chosen, sort=ArtifactSort.UPDATED_DESC, limit=1
        )
        if not found:
            _create(key, data, description)
        elif found[0].data != data:
            client.update_artifact(found[0].id, ArtifactUpdate(data=data))


def _create(key: str, data: str, description: str) -> UUID:
    made = ArtifactCreate(
        type="markdown",
        key=key,
        data=data,
        description=description,
        flow_run_id=None,
        task_run_id=None,
    )
    with get_client(sync_client=True) as client:
        return client.create_artifact(made).id

"""`outreach campaigns follow-up`: adds a step to a campaign, and takes one away."""

import re
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from outreach.cli.campaigns.create import attachment_of, text_of
from outreach.cli.campaigns.show import since_of
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json
from outreach.errors import Rejected, TemplateNotReady

LONGEST_TEMPLATE = 200_000
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DELAY = re.compile(r"([1-9][0-9]{0,6})([smhd])")
MOST_DAYS = 365


def follow_up(
    what: Annotated[list[str], typer.Argument(metavar="ID | remove ID")],
    *,
    after: Annotated[
        str | None, typer.Option(metavar="3d", help="After the mail before it: 90s, 2h, 3d.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its HTML; else that of the first mail.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Opens a thread of its own; else it answers in the thread.")
    ] = None,
    attachment: Annotated[
        str, typer.Option(help="An https address or a file beside ATTACHMENT_PDF.")
    ] = "none",
    max_late: Annotated[
        str, typer.Option(metavar="7d", help="Whoever is overdue for longer gets none.")
    ] = "7d",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Follow who was mailed from then on; else 30 days back."),
    ] = None,
    stop_on_company_reply: Annotated[
        bool, typer.Option("--stop-on-company-reply", help="Any answer of a company ends it.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="In place of the campaign's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a follow-up to a campaign, and print its id; or `remove` one that has mailed nobody.

    It goes to who was sent the mail before, in the same thread and from the same account, and never
    to who answered, bounced or opted out.
    """
    if what[0] == "remove":
        _remove(what[1:], as_json=as_json)
        return
    if len(what) != 1 or after is None:
        raise typer.BadParameter("give the campaign's ID and --after, or remove and the step's ID")
    given: dict[str, Any] = {
        **_delay(after),
        "name": name,
        "subject": subject,
        "template": None if template is None else _template(template),
        "attachment": attachment_of(attachment),
        "late_seconds": _seconds(max_late),
        "since": None if since is None else since_of(since),
        "company_stops": stop_on_company_reply,
    }
    found = campaign_id(what[0])
    with opened_store() as store:
        added = store.add_step(found, uuid4(), **given)
    if as_json:
        show_json(added)
    else:
        say(str(added.id))
        note(f"It is step {added.step}; {added.due} lead(s) are due at once.")


def _remove(ids: list[str], *, as_json: bool) -> None:
    if len(ids) != 1:
        raise typer.BadParameter("give the ID of the step that is to be removed")
    step = campaign_id(ids[0])
    with opened_store() as store:
        store.remove_step(step)
    if as_json:
        show_json({"id": str(step), "status": "removed"})
    else:
        say(f"{step} is removed.")


def _delay(text: str) -> dict[str, Any]:
    """Days keep the time on the wall; shorter units are exact."""
    seconds = _seconds(text)
    if text.endswith("d"):
        return {"days": int(seconds) // UNITS["d"]}
    return {"seconds": seconds}


def _seconds(text: str) -> float:
    """Raises Rejected."""
    found = _DELAY.fullmatch(text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= MOST_DAYS * UNITS["d"]:
        raise Rejected(
            f"{text!r} is not a delay between a second and a year", "write 90s, 2h or 3d"
        )
    return float(seconds)


def _template(file: Path) -> str:
    """The text of the file, if it can be a template. Raises Rejected."""
    from outreach.mail.templates.budget import TemplateError
    from outreach.mail.templates.compiler import compiled

    text = text_of(file, LONGEST_TEMPLATE)
    if len(text) > LONGEST_TEMPLATE or not text.strip():
        raise Rejected(
            f"A template has 1 to {LONGEST_TEMPLATE:,} characters, and {file} has not",
            "name another file",
        )
    try:
        compiled(text)
    except (TemplateError, TemplateNotReady) as error:
        raise Rejected(f"The template in {file} cannot be used: {error}") from None
    return text

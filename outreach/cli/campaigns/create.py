"""`outreach campaigns create`: makes a draft from leads and their accounts."""

from codecs import getincrementaldecoder
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from outreach.campaign import days_off
from outreach.campaign import window as windows
from outreach.cli.context import Owner, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, cell, show_json
from outreach.cli.tags import tag as tag_option
from outreach.errors import Rejected
from outreach.store.given import campaign_name

if TYPE_CHECKING:
    from outreach.store.results import Created

LONGEST_FOOTER = 20_000
LONGEST_DATES = 100_000
TOLD = 5
"""Duplicates that `create` names."""


def create(
    *,
    name: Annotated[str, typer.Option(help="What it is called, here and in Prefect.")],
    account: Annotated[list[str], typer.Option(help="Sends it; may be given several times.")],
    tag: Annotated[str | None, tag_option("Its leads are those with this tag …")] = None,
    company: Annotated[
        list[str] | None,
        typer.Option(help="… or of this company (name, domain or id); several times."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, as in 2026-12-01T09:00:00+01:00.")
    ] = None,
    attachment: Annotated[
        str | None,
        typer.Option(help="An https address, a file beside ATTACHMENT_PDF, or “none”."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help=f"Mail at these times only, as in “{windows.EXAMPLE}”.")
    ] = None,
    skip_dates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="… and not on these dates, one a line."),
    ] = None,
    holidays: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help=f"… nor on its public holidays, as in “{days_off.EXAMPLE}”."
        ),
    ] = None,
    subject_variables: Annotated[
        bool | None,
        typer.Option(
            "--subject-variables/--no-subject-variables",
            help="Fill the subject for each lead; unless told, if it has a placeholder.",
            show_default=False,
        ),
    ] = None,
    list_unsubscribe: Annotated[
        bool,
        typer.Option(
            "--list-unsubscribe/--no-list-unsubscribe",
            help="Let mail programs show a button to unsubscribe.",
        ),
    ] = True,
    footer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Text or HTML below each mail: a postal address, {{ unsubscribe_url }}.",
        ),
    ] = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Make a campaign, as a draft, and print its id; `start` sends it."""
    if (tag is None) == (not company):
        raise typer.BadParameter("name the leads with --tag or with --company, not both or neither")
    given: dict[str, Any] = {
        "tag": tag,
        "companies": company or None,
        "starts_at": None if at is None else _moment(at),
        "attachment": None if attachment is None else attachment_of(attachment),
        "owner": owner,
        "subject_variables": subject_variables,
        "list_unsubscribe": list_unsubscribe,
        "footer": None if footer is None else _footer(footer),
        **({} if window is None else _window(window)),
        "skip_dates": _days_off(skip_dates, holidays, windowed=window is not None),
    }
    with opened_store() as store:
        created = store.create_campaign(uuid4(), campaign_name(name), account, **given)
    if as_json:
        show_json(created)
    else:
        say(str(created.id))
        if created.subject_variables and subject_variables is None:
            note(
                "A subject has a placeholder, so the subjects are filled for each lead; "
                "--no-subject-variables sends them as they stand."
            )
        _tell_skipped(created)


def _moment(text: str) -> datetime:
    """An aware time. Raises Rejected with the expected format."""
    try:
        moment = datetime.fromisoformat(text)
        here = moment.astimezone()
    except (ValueError, OverflowError):
        raise Rejected(
            f"{text!r} is not a time", "write --at like 2026-12-01T09:00:00+01:00"
        ) from None
    if moment.utcoffset() is None:
        raise Rejected(
            f"{text!r} has no time zone", f"for this machine's write --at {here.isoformat()}"
        )
    if moment < datetime.now(moment.tzinfo):
        note(f"{cell(moment)} is past: the campaign begins as soon as it is started.")
    return moment


def _window(text: str) -> dict[str, Any]:
    parsed = windows.parse(text)
    return {
        "days": parsed.days,
        "day_from": parsed.start,
        "day_until": parsed.until,
        "time_zone": parsed.zone,
    }


def _days_off(file: Path | None, place: str | None, *, windowed: bool) -> list[date] | None:
    """None: it has none. Raises Rejected."""
    if file is None and place is None:
        return None
    if not windowed:
        raise Rejected(
            "Days off need a window: its time zone says when a day begins",
            f"give one as well, as --window '{windows.EXAMPLE}'",
        )
    dates = set() if file is None else set(days_off.parse(_dates(file)))
    if place is not None:
        dates |= set(days_off.public_holidays(place, datetime.now().astimezone().year))
    if len(dates) > days_off.MOST:
        raise Rejected(f"A campaign has at most {days_off.MOST:,} days off", "leave past ones out")
    return sorted(dates)


def attachment_of(text: str) -> str:
    """The attachment for the campaign's row. Checks a file now; the run checks an address."""
    if text == "none":
        return ""
    if not text.startswith("https://"):
        from outreach import settings
        from outreach.delivery import attachments

        attachments.load(settings.load().attachment_pdf, text)
    return text


def _dates(file: Path) -> str:
    text = text_of(file, LONGEST_DATES)
    if len(text) > LONGEST_DATES:
        raise Rejected(
            f"A list of dates has at most {LONGEST_DATES:,} characters, and {file} has more",
            "name another file",
        )
    return text


def _footer(file: Path) -> str:
    """The text of the file, if it can be a footer. Raises Rejected."""
    from outreach.errors import TemplateNotReady
    from outreach.mail.render import compiled_footer

    text = text_of(file, LONGEST_FOOTER)
    if len(text) > LONGEST_FOOTER or not text.strip():
        raise Rejected(
            f"A footer has 1 to {LONGEST_FOOTER:,} characters, and {file} has not",
            "name another file",
        )
    try:
        compiled_footer(text)
    except TemplateNotReady as error:
        raise Rejected(error.problem, error.remedy) from None
    return text


def text_of(file: Path, most: int) -> str:
    """The file's first characters, one more than `most` at least. Raises Rejected."""
    octets = 4 * most + 8  # of UTF-8, with its mark
    try:
        with file.open("rb") as opened:
            read = opened.read(octets)
        # What is cut off may end within a character.
        return getincrementaldecoder("utf-8-sig")().decode(read, final=len(read) < octets)
    except OSError as error:
        raise Rejected(f"{file} cannot be read ({error.strerror})", "name another file") from None
    except UnicodeDecodeError:
        raise Rejected(f"{file} is not UTF-8", "save it as UTF-8") from None


def _tell_skipped(created: "Created") -> None:
    if created.skipped:
        more = ", …" if len(created.skipped) > TOLD else ""
        note(
            f"{len(created.skipped)} lead(s) left out, since another one has the same address: "
            f"{', '.join(created.skipped[:TOLD])}{more}"
        )

"""`outreach suppressions`: addresses and domains that no campaign mails."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from outreach import commands
from outreach.cli.campaigns.export import destination, write_rows
from outreach.cli.context import Owner, opened_store
from outreach.cli.leads.csv_text import opened_text
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, progress, show_json, show_json_list, show_table
from outreach.cli.suppressions.list_file import Left, read_keys
from outreach.errors import Rejected, StoreUnavailable
from outreach.mail.addresses import suppression_key

if TYPE_CHECKING:
    from outreach.campaign.models import Suppression

BATCH = 1000
"""Addresses in one call, so in one transaction: each takes a lock of the server until its end."""
TOLD = 10
"""Lines left out that are shown."""
KEPT = 1000
"""Lines left out that `--json` has: memory stays flat."""
COLUMNS = ("email", "cause", "reason", "source", "since", "until", "owner")

Key = Annotated[str, typer.Argument(metavar="ADDRESS|DOMAIN")]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for people.")]
Force = Annotated[
    bool, typer.Option("--force", help="Also a domain of many people, such as gmail.com.")
]


def add(
    key: Key,
    *,
    reason: Reason = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only until then, as in 2027-01-31.")
    ] = None,
    force: Force = False,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Mail an address, or a domain with its subdomains, in no campaign from now on.

    It holds for the campaigns of one user with --user-id, else for everybody's.
    """
    entry = {"key": _key(key), "reason": reason, "until": None if until is None else _end(until)}
    with opened_store() as store:
        done = store.suppress([entry], "command", owner=owner, force=force)
    if done.left_out:
        raise Rejected(
            f"Many people or companies have addresses in {done.left_out[0]}",
            "name single addresses, or suppress all of it with --force",
        )
    if as_json:
        show_json({"key": entry["key"], "added": bool(done.added)})
    else:
        say(f"{entry['key']} {'is suppressed' if done.added else 'was suppressed already'}.")


def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE")],
    *,
    reason: Reason = None,
    force: Force = False,
    encoding: Annotated[
        str | None, typer.Option(help="The file's encoding, such as cp1252; else UTF-8.")
    ] = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Suppress the addresses and domains of a file: one a line, or CSV of another tool.

    Of CSV the columns that are named like an address, or without such a name every cell that is
    one.
    """
    with opened_text(file, encoding) as text:
        done = _import(read_keys(text), reason, owner, force=force)
    if as_json:
        show_json(done.as_json())
    else:
        say(f"{done.added} added, {done.known} known already, {done.left_out} left out.")
        for one in islice(done.left, TOLD):
            note(f"line {one.line}: {one.text!r} is neither an address nor a domain")
        for domain in done.shared[:TOLD]:
            note(f"{domain}: many people or companies have addresses in it; --force suppresses it")
    if not done.added + done.known:
        raise Rejected("The file has no address that could be suppressed; nothing was imported.")


def show(*, owner: Owner = None, as_json: AsJson = False) -> None:
    """Show whom no campaign mails, why, and since when."""
    with opened_store() as store:
        listed = store.list_suppressions(owner)
        if as_json:
            show_json_list(listed)
        else:
            show_table(COLUMNS, (_row(one) for one in listed))


def export(
    *,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE", help="Write it there.")
    ] = None,
    owner: Owner = None,
) -> None:
    """Write all suppressions as CSV: UTF-8, a header, times in UTC."""
    with opened_store() as store, destination(out) as file:
        rows = (_row(one) for one in store.list_suppressions(owner))
        count = write_rows(COLUMNS, rows, file)
    if out is not None:
        note(f"{count} suppression(s) are in {out}.")


def remove(
    keys: Annotated[list[str], typer.Argument(metavar="ADDRESS|DOMAIN…")],
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for it; noted.")],
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Let campaigns mail these again, in the name of a person."""
    with opened_store() as store:
        done = store.lift_suppressions([_key(key) for key in keys], by, owner)
    if as_json:
        show_json(done)
    elif done.lifted:
        say(f"{done.lifted} suppression(s) lifted, in the name of {by.strip()}.")
        note(f"{commands.RETRY_SUPPRESSED} mails leads that were cancelled for them.")
    for one in done.still:
        note(f"{one.key} is suppressed all the same: {one.why}")
    if not done.lifted and done.still:
        raise Rejected(
            "None of these has a suppression of its own", "remove what they are suppressed by"
        )
    if not done.lifted:
        raise Rejected("None of these is suppressed", f"{commands.LIST_SUPPRESSIONS} shows all")


def history(key: Key, *, as_json: AsJson = False) -> None:
    """Show what was done to the suppressions of an address or a domain, and by whom."""
    with opened_store() as store:
        acts = store.list_acts(_key(key))
        if as_json:
            show_json_list(acts)
        else:
            rows = ((x.at, x.act, x.by, x.cause, x.source, x.reason, x.until) for x in acts)
            show_table(("at", "act", "by", "cause", "source", "reason", "until"), rows)


class _Done:
    """What became of the lines of a file."""

    def __init__(self) -> None:
        self.added = self.known = self.left_out = 0
        self.left: deque[Left] = deque()
        self.shared: list[str] = []

    def leave(self, line: Left) -> None:
        self.left_out += 1
        if len(self.left) < KEPT:
            self.left.append(line)

    def leave_shared(self, domains: list[str]) -> None:
        self.left_out += len(domains)
        self.shared += [domain for domain in domains if domain not in self.shared]

    def as_json(self) -> dict[str, Any]:
        return {
            "added": self.added,
            "known": self.known,
            "left_out": self.left_out,
            "lines": [asdict(line) for line in self.left],
            "shared_domains": self.shared,
        }


def _import(
    found: Iterator[str | Left], reason: str | None, owner: UUID | None, *, force: bool
) -> _Done:
    """In batches, so that memory stays flat. Imported batches stay when the database goes away."""
    done = _Done()
    with opened_store() as store, progress("Importing") as tell:
        while batch := list(islice(found, BATCH)):
            for line in batch:
                if isinstance(line, Left):
                    done.leave(line)
            keys = dict.fromkeys(key for key in batch if isinstance(key, str))
            entries = [{"key": key, "reason": reason} for key in keys]
            if not entries:
                continue
            try:
                answer = store.suppress(entries, "import", owner=owner, force=force)
            except StoreUnavailable as error:
                raise type(error)(
                    f"{error} {done.added + done.known} are imported; importing the file again "
                    "adds the rest."
                ) from None
            done.added += answer.added
            done.known += answer.known
            done.leave_shared(answer.left_out)
            tell(f"{done.added + done.known:,}")
    return done


def _row(one: "Suppression") -> tuple[object, ...]:
    return (one.key, one.cause, one.reason, one.source, one.since, one.until, one.owner)


def _key(text: str) -> str:
    key = suppression_key(text)
    if not key:
        raise Rejected(
            f"{text!r} is neither an address nor a domain", "write mia@acme.com or acme.com"
        )
    return key


def _end(text: str) -> str:
    """An aware time that is still to come, as the database takes it."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise Rejected(f"{text!r} is not a date", "write --until like 2027-01-31") from None
    if moment <= datetime.now(UTC):
        raise Rejected(f"{text} is past", "give a date that is still to come")
    return moment.isoformat()

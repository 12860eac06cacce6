"""Calls of the SQL functions, over either transport, and the reading of their answers."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import ValidationError

from outreach.campaign.models import Model
from outreach.errors import CampaignNotFound, Rejected, SchemaMismatch
from outreach.store import schema
from outreach.store.remedies import remedy
from outreach.store.results import InstalledRelease
from outreach.store.schema import Difference

Row = dict[str, Any]
Answer = TypeVar("Answer", bound=Model)

PAGE = 500
"""Rows per request; PostgREST returns 1,000 at most."""


class Transport(Protocol):
    def call(self, function: str, **arguments: Any) -> list[Row]:
        """Call a SQL function by name with named arguments; returns its rows.

        Raises StoreUnavailable when the database is away and ConfigurationError when the address,
        the rights or the schema are wrong.
        """
        ...

    def close(self) -> None: ...


class Calls:
    """Each method may raise StoreUnavailable, and Rejected with the database's own reason."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, function: str, **arguments: Any) -> list[Row]:
        clean = {name: _storable(value) for name, value in arguments.items()}
        return self._transport.call(function, **clean)

    def _one(self, function: str, **arguments: Any) -> Row:
        row = self._call(function, **arguments)[0]
        if row.get("answer") == "rejected":
            raise Rejected(row["reason"], remedy(row.get("remedy"), arguments))
        return row

    def _row(self, campaign: UUID, function: str, **arguments: Any) -> Row:
        rows = self._call(function, campaign=campaign, **arguments)
        if not rows:
            raise CampaignNotFound(campaign)
        return rows[0]

    def _pages(self, function: str, **arguments: Any) -> Iterator[Row]:
        arguments = {"most": PAGE, **arguments}
        # Not null for the first page: for `id > null or ...` Postgres finds no start in the index.
        after = UUID(int=0)
        while rows := self._call(function, after=after, **arguments):
            yield from rows
            after = UUID(rows[-1]["id"])


def answered(kind: type[Answer], row: Row) -> Answer:
    """Read a result; `refused` comes from a release of the functions that does not accept us.

    An unknown word comes from a newer release, too.
    """
    if row.get("answer") == "refused":
        installed = InstalledRelease.model_validate(row["installed"])
        found = schema.difference(installed.state, installed.version)
        raise SchemaMismatch(*(found or Difference("it refuses this version", schema.UPDATE)))
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        if not any(problem["loc"] == ("answer",) for problem in error.errors()):
            raise
        raise SchemaMismatch(
            f"it answers {row.get('answer')!r}, which this version does not know", schema.UPDATE
        ) from None


def _storable(value: Any) -> Any:
    """The value without text that Postgres cannot store: NUL, and halves of surrogate pairs."""
    match value:
        case str():
            return value if _is_storable(value) else _mended(value)
        case list():
            return [_storable(item) for item in value]
        case dict() if _holds_storable_texts(value):
            return value
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case _:
            return value


def _holds_storable_texts(table: Row) -> bool:
    """Whether all values are storable texts. One check for a lead's dozens of columns."""
    try:
        return _is_storable("".join(table)) and _is_storable("".join(table.values()))
    except TypeError:
        return False


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _mended(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")

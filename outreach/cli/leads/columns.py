"""Maps a file's columns: known names to fields, all others to custom fields.

Pure. A column with a known name that is not ours keeps that name for templates too: `Job Title` is
the role, and `{{ job_title }}` works.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from outreach.campaign.models import BUILT_IN
from outreach.cli.leads.column_names import (
    FIRST_NAME,
    KNOWN,
    LAST_NAME,
    PARTS_BESIDE,
    SPELLINGS,
    WHOLE_ALONE,
)
from outreach.errors import Rejected

TEXTS = ("email_subject", "email_template")
_NUMBER = re.compile(r"#\d+")
_COMMENT = re.compile(r"\s*\([^()]*\)$")
_BUSINESS = {"work", "business", "office", "geschäftlich", "dienstlich", "professionnel", "pro"}
_PRIVATE = {"home", "private", "privat", "personal", "perso"}
"""Words of a comment: of two addresses the other one is for business."""
_WORSE, _WORST = 1000, 2000
"""Added to the rank of a name with a comment."""


class Column(NamedTuple):
    """Shape of an element of `leads import --dry-run --json`."""

    number: int
    """From 1."""
    header: str
    field: str | None = None
    """One of ours, or `first_name` and `last_name`, which make up the name."""
    custom_field: str | None = None
    """Its name as a custom field."""

    @property
    def label(self) -> str:
        return f"{self.number} ({self.header})"


class Columns(NamedTuple):
    all: list[Column]
    hidden: list[tuple[Column, Column]]
    """Each with the column whose value templates show instead, under the same name."""

    def of(self, field: str) -> Column | None:
        return next((one for one in self.all if one.field == field), None)

    @property
    def renamed(self) -> list[Column]:
        """Those that were recognised by another name than ours."""
        return [one for one in self.all if one.field and one.header.lower() != one.field]


def asked_for(maps: Iterable[str]) -> dict[str, str]:
    """Parse `HEADER=field` -> field by header; an empty field leaves the column out.

    Raises Rejected.
    """
    asked = {}
    for text in maps:
        header, equals, field = text.rpartition("=")
        if not equals or not header.strip():
            raise Rejected(f"{text!r} names no column", 'write it like --map "HEADER=field"')
        name = " ".join(field.split())
        asked[" ".join(header.split())] = name.lower() if name.lower() in KNOWN else name
    return asked


def has_address(names: Sequence[str], asked: Mapping[str, str]) -> bool:
    """Whether these are column names: one of them is that of the address."""
    of_address = {header for header, field in asked.items() if field == "email"}
    return any(
        "@" not in name
        and ((_known(name) or ("",))[0] == "email" or _is_asked(number, name, of_address))
        for number, name in enumerate(names, start=1)
    )


def columns_of(names: Sequence[str], asked: Mapping[str, str]) -> Columns:
    """Raises Rejected for two columns of one name, and for a missing column."""
    given = [Column(number, name) for number, name in enumerate(names, start=1)]
    mapped = {_asked_column(header, given): field for header, field in asked.items()}
    found = _with_fields([one for one in given if one not in mapped and one.header])
    for column, field in mapped.items():
        ours = field in {*KNOWN, FIRST_NAME, LAST_NAME}
        found.append(column._replace(field=field) if ours else column._replace(custom_field=field))
    found = [one for one in sorted(found) if one.field or one.custom_field]
    _refuse_two(found, {column.number for column in mapped})
    shown: dict[str, Column] = {one.field: one for one in found if one.field}
    hidden = [
        (one, shown[field])
        for one in found
        if one.custom_field and (field := _built_in().get(_key(one.custom_field), "")) in shown
    ]
    return Columns(found, hidden)


# --- how --------------------------------------------------------------------------------------


def _with_fields(columns: list[Column]) -> list[Column]:
    """Give each field its best column; each column keeps its own name, unless that is ours."""
    best: dict[str, tuple[int, int]] = {}
    halves = _halves(columns)
    for column in columns:
        if known := halves.get(column.number) or _known(column.header):
            field, rank = known
            best[field] = min(best.get(field, (rank, column.number)), (rank, column.number))
    fields = {number: field for field, (_, number) in best.items()}
    return [_named(column, fields.get(column.number)) for column in columns]


def _named(column: Column, field: str | None) -> Column:
    is_ours = field in TEXTS or (field and _key(column.header) in _built_in())
    return column._replace(field=field, custom_field=None if is_ours else column.header)


def _halves(columns: list[Column]) -> dict[int, tuple[str, int]]:
    """Columns whose meaning depends on another one, such as `Name` beside `Vorname`."""
    by_name = {_folded(one.header): one.number for one in columns}
    found = {
        by_name[_folded(whole)]: ("name", 0) for whole in WHOLE_ALONE if _folded(whole) in by_name
    }
    if not any((_known(one.header) or ("",))[0] == LAST_NAME for one in columns):
        beside = [pair for name, pair in PARTS_BESIDE.items() if _folded(name) in by_name]
    else:
        beside = [pair for pair in PARTS_BESIDE.values() if pair[1] == FIRST_NAME]
    for other, half in beside:
        if other in by_name:
            found[by_name[other]] = (half, 0)
    return found


def _refuse_two(columns: list[Column], asked: set[int]) -> None:
    """Raises Rejected: it is unknown which of the two counts."""
    first: dict[str, Column] = {}
    for column in columns:
        written = column.custom_field or ("" if column.number in asked else column.header)
        for name in {column.field or "", written and f"written {_key(written)}"} - {""}:
            if (other := first.setdefault(name, column)) is not column:
                raise Rejected(
                    f"The file has two columns {column.header!r} ({other.number} and "
                    f"{column.number})",
                    f"rename or remove one of them, or leave one out with "
                    f'--map "#{column.number}="',
                )


def _asked_column(header: str, columns: list[Column]) -> Column:
    found = [one for one in columns if _is_asked(one.number, one.header, {header})]
    exact = [one for one in found if one.header == header] or found
    if not exact:
        names = ", ".join(one.header or f"#{one.number}" for one in columns)[:300]
        raise Rejected(f"The file has no column {header!r}", f"its columns are {names}")
    if len(exact) > 1:
        raise Rejected(
            f"The file has several columns {header!r}",
            f'say which one by its number, as in --map "#{exact[-1].number}=…"',
        )
    return exact[0]


def _is_asked(number: int, name: str, headers: set[str]) -> bool:
    named = {_folded(header) for header in headers if not _NUMBER.fullmatch(header)}
    return f"#{number}" in headers or (bool(name) and _folded(name) in named)


@cache
def _built_in() -> dict[str, str]:
    return {_key(name): field for name, field in BUILT_IN.items()}


@cache
def _spellings() -> dict[str, tuple[str, int]]:
    """Field and rank of each spelling; 0 is the best rank."""
    return {
        _folded(spelling): (field, rank)
        for field, spellings in SPELLINGS.items()
        for rank, spelling in enumerate(spellings.split(", "))
    }


def _known(name: str) -> tuple[str, int] | None:
    """Ignore a comment in brackets after a name, unless the name with it is a known spelling.

    What it says makes the column a worse one than those without: `Company (ID)`.
    """
    known = _spellings()
    if exact := known.get(_folded(name)):
        return exact
    comment = _COMMENT.search(name)
    meant = known.get(_folded(_COMMENT.sub("", name))) if comment else None
    if not comment or not meant:
        return None
    words = set(re.findall(r"\w+", comment[0].casefold()))
    if words & _BUSINESS:
        return meant
    return meant[0], meant[1] + (_WORST if words & _PRIVATE else _WORSE)


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    """`Adresse e-mail` -> `adresseemail`; a name without letters stays unchanged."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(one for one in letters if one.isalnum()) or name


def _key(name: str) -> str:
    """Equal for two names that a template treats as one."""
    from outreach.mail.templates.compiler import key_of

    return key_of(name) or name.casefold()

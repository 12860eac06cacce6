"""Finds companies of a file whose rows differ in a subject or a template: texts of single leads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from outreach.cli.leads.columns import TEXTS
from outreach.cli.leads.csv_file import Row, Sheet, value_of


@dataclass(slots=True)
class OwnTexts:
    """Texts that differ between rows of one company, as far as a file alone identifies companies.

    Rows go to the database in several calls, each with a part of them. Where two companies have one
    name, more texts than necessary count as a lead's own; the mails are the same.
    """

    _differ: set[int] = field(default_factory=set)
    _nameless: set[int] = field(default_factory=set)
    """Domains that identify their company in at least one row without its name."""

    @classmethod
    def among(cls, sheet: Sheet) -> "OwnTexts":
        """Reads the sheet to its end."""
        at = {one.field: one.number - 1 for one in sheet.columns.all if one.field}
        texts = [(name, at[name]) for name in TEXTS if name in at]
        whose = [(name, at[name]) for name in ("company", "domain") if name in at]
        found, first = cls(), dict[int, int]()
        if not texts:
            return found
        for _, cells in sheet.rows():
            given = [(name, value_of(name, cells[n])) for name, n in texts if cells[n]]
            row: Row = {name: value_of(name, cells[n]) for name, n in whose}
            if not row.get("company"):
                found._nameless.add(hash(_domain(row)))
            for text, value in given:
                if value:
                    keys, value_hash = _keys(text, row), hash(value)
                    found._differ.update(
                        key for key in keys if first.setdefault(key, value_hash) != value_hash
                    )
        return found

    def marked(self, leads: Iterable[Row]) -> Iterator[Row]:
        """Each lead, with `own_text` for texts of its own."""
        for lead in leads:
            if texts := [text for text in TEXTS if lead.get(text) and self._is_own(text, lead)]:
                lead["own_text"] = texts
            yield lead

    def _is_own(self, text: str, lead: Row) -> bool:
        domain_counts = not lead.get("company") or hash(_domain(lead)) in self._nameless
        keys = _keys(text, lead)
        return any(key in self._differ for key in (keys if domain_counts else keys[:1]))


def _keys(text: str, row: Row) -> list[int]:
    """A key of its company's name and one of its domain, where it has them."""
    known = (row.get("company", "").lower(), _domain(row))
    return [hash((text, n, name)) for n, name in enumerate(known) if name]


def _domain(row: Row) -> str:
    """An approximation of the database's rule, which decides."""
    written: str = row.get("domain", "").lower()
    return written.rpartition("//")[2].removeprefix("www.").partition("/")[0]

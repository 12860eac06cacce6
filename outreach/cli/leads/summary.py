"""Messages of `outreach leads import`: the file's columns, its lines, and the result."""

from collections.abc import Iterator

from outreach.cli.leads.column_names import FIRST_NAME, KNOWN, LAST_NAME
from outreach.cli.leads.columns import Column
from outreach.cli.leads.csv_file import Row, Sheet, Skip
from outreach.cli.lines import note, say
from outreach.cli.output import show_fields, show_table
from outreach.store.results import Imported

TOLD = 20
"""Skipped lines that are listed; `--json` has them all."""
NAMED = 5
"""Companies and campaigns that are listed by name."""
LONGEST = 60
"""Characters of a shown value."""


def of_file(sheet: Sheet) -> list[str]:
    """How its header was read, if not in the plain way; call it after the rows were read."""
    return [*_header(sheet), *_columns(sheet)]


def of_import(imported: Imported) -> list[str]:
    """The database's changes in addition to leads."""
    return [
        *(
            f"The campaign {one.name} ({one.status}) has another text now for {one.leads} lead(s) "
            "that it is yet to mail."
            for one in imported.text_changed
        ),
        *(
            f"{one.company} has the domain {one.domain}, which is that of {one.other} too: they "
            "are two companies, each with a text of its own."
            for one in imported.kept_apart[:NAMED]
        ),
        *_more(len(imported.kept_apart) - NAMED, "companies with another one's domain"),
        *(
            f"{domain} is no company's domain: its leads are of the company that they name, if any."
            for domain in imported.shared_domains[:NAMED]
        ),
        *_more(len(imported.shared_domains) - NAMED, "domains that are no company's"),
        *([f"{imported.erased} row(s) of erased persons are left out."] * bool(imported.erased)),
    ]


def tell(notes: list[str], skipped: list[Skip]) -> None:
    for text in notes:
        note(text)
    for skip in skipped[:TOLD]:
        who = f" ({skip.email})" if skip.email else ""
        note(f"Line {skip.line}{who} is left out: {skip.reason}.")
    if len(skipped) > TOLD:
        note(f"… and {len(skipped) - TOLD} more; --json lists them all.")


def show_columns(sheet: Sheet) -> None:
    """One line per column: its field, and its name in a template."""
    mapped = {one.number: one for one in sheet.columns.all}
    rows = []
    for number, header in enumerate(sheet.header.names, start=1):
        column = mapped.get(number)
        rows.append((number, header, *(_becomes(column) if column else ("left out", ""))))
    show_table(("column", "header", "becomes", "in templates"), rows)


def show_rows(leads: list[Row]) -> None:
    """Field by field, without empty ones."""
    for lead in leads:
        say("")
        fields = {name: lead[name] for name in KNOWN if name in lead}
        fields |= lead.get("custom_fields", {})
        show_fields({name: _short(value) for name, value in fields.items()})
    say("")


def _header(sheet: Sheet) -> Iterator[str]:
    if sheet.header.passed_over:
        yield f"{sheet.header.passed_over} line(s) above the header were passed over."
    for number in sorted(sheet.nameless):
        yield (
            f"Column {number} has no name: what is in it was left out; "
            f'--map "#{number}=field" takes it.'
        )


def _columns(sheet: Sheet) -> Iterator[str]:
    if renamed := sheet.columns.renamed:
        read = ", ".join(f"“{one.header}” is {_role(one.field or '')}" for one in renamed)
        yield f"Columns read by their names: {read}."
    for hidden, shown in sheet.columns.hidden:
        yield (
            f"Column {hidden.label} is hidden: {{{{ {hidden.custom_field} }}}} in a template is "
            f"the lead's {shown.field}, from column {shown.label}."
        )


def _becomes(column: Column) -> tuple[str, str]:
    own = column.custom_field
    return _role(column.field or "") or "its own field", f"{{{{ {own} }}}}" if own else ""


def _role(field: str) -> str:
    return {FIRST_NAME: "the name, first part", LAST_NAME: "the name, last part"}.get(field, field)


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"… and {count} more {what}; --json has them all."


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

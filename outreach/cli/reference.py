"""Writes docs/reference.md and .env.example from the code: `make reference`.

Settings come from `Settings`, commands from the command itself, JSON shapes from the models; a test
fails while a file differs from the code.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import typer
from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from outreach.campaign.history import LeadHistory, TemplateVersion
from outreach.campaign.mailboxes import ListedMailbox, ReadMailbox, Returned
from outreach.campaign.models import (
    Act,
    CampaignLead,
    CampaignStatus,
    ListedAccount,
    ListedLead,
    Suppression,
)
from outreach.campaign.numbers import Report
from outreach.campaign.report import CampaignReport
from outreach.cli.app import app
from outreach.cli.leads.csv_file import Skip
from outreach.cli.suppressions.list_file import Left
from outreach.cli.telling import INTERRUPTED
from outreach.delivery.modes import Delivery
from outreach.delivery.proof import Proof
from outreach.inbound.reading import Kind, Recipient
from outreach.preflight.findings import Report as Findings
from outreach.settings import Settings
from outreach.store.results import (
    AddedStep,
    Created,
    Erased,
    Exposed,
    Imported,
    Lifted,
    Recounted,
)

WIDTH = 100

SECTIONS = {
    "supabase_url": "The database: Supabase, or any Postgres, or neither",
    "google_client_id": "Google",
    "app_url": "The mail",
    "domain_checks": "Domains in DNS",
    "send_pace_seconds": "The pace",
    "log_sends": "The log",
    "metrics_port": "Monitoring",
}
"""By the first setting of each."""

SHAPES: dict[str, Any] = {
    "accounts add": {"id": UUID, "email": str, "connected": bool},
    "accounts connect": {
        "id": UUID,
        "email": str,
        "connected": bool,
        "delivery": Delivery,
        "scopes": list[str],
    },
    "accounts list": list[ListedAccount],
    "accounts remove": {"email": str, "status": str},
    "accounts wake": {"email": str, "rests": bool},
    "campaigns cancel": {"id": UUID, "status": str, "leads": int},
    "campaigns check": Findings,
    "campaigns create": Created,
    "campaigns leads": list[CampaignLead],
    "campaigns list": list[CampaignStatus],
    "campaigns pause": {"id": UUID, "paused": bool},
    "campaigns preview": {
        "id": UUID,
        "folder": str,
        "leads": int,
        "mails": int,
        "problems": int,
    },
    "campaigns replies": list[Returned],
    "campaigns report": Report,
    "campaigns resolve": {
        "answer": str,
        "lead": UUID,
        "lead_status": str,
        "campaign": UUID,
        "campaign_status": str,
    },
    "campaigns resume": {"id": UUID, "paused": bool},
    "campaigns retry-failed": {"id": UUID, "leads": int},
    "campaigns settle": [{"lead": UUID, "outcome": str, "reason": str | None}],
    "campaigns start": {"id": UUID, "flow_run_id": UUID | None, "status": str},
    "campaigns status": CampaignReport,
    "campaigns test-send": {
        "to": str,
        "lead": str,
        "account": str,
        "in_thread": bool,
        "message_id": str | None,
        "thread_id": str | None,
        "received": Proof | None,
    },
    "db migrate": {"applied": list[str], "mended": bool, "exposed_tokens": list[Exposed]},
    "db reader": {"name": str, "url": str},
    "db recount": Recounted,
    "db stop": {"was_running": bool},
    "db url": {"url": str},
    "doctor": [
        {
            "check": str,
            "severity": Literal["ok", "warning", "error"],
            "message": str,
            "remedy": str,
            "verdict": Literal["ok", "warn", "fail"],
            "told": str,
            "todo": str | None,
        }
    ],
    "mailboxes explain": [
        {
            "file": str,
            "kind": Kind,
            "recipients": list[Recipient],
            "original_message_id": str | None,
            "back_on": date | None,
            "own_words": str | None,
            "why": str,
        }
    ],
    "mailboxes list": list[ListedMailbox],
    "mailboxes read": list[ReadMailbox],
    "leads answered": {"email": str, "noted": int, "known": int},
    "leads list": list[ListedLead],
    "leads show": LeadHistory,
    "leads template": TemplateVersion,
    "report": Report,
    "suppressions add": {"key": str, "added": bool},
    "suppressions history": list[Act],
    "suppressions import": {
        "added": int,
        "known": int,
        "left_out": int,
        "lines": list[Left],
        "shared_domains": list[str],
    },
    "suppressions list": list[Suppression],
    "suppressions remove": Lifted,
    "leads erase": Erased,
    "campaigns follow-up": AddedStep,
    "leads import": {
        **{name: field.annotation for name, field in Imported.model_fields.items()},
        "skipped": list[Skip],
        "notes": list[str],
    },
}
"""The JSON shape of each command with --json."""

NOTES = {
    "campaigns list": "`progress` is per cent.",
    "campaigns follow-up": "With `remove`: `{id: uuid, status: string}`.",
    "campaigns check": "`what` and `todo` are the former names of `message` and `remedy`.",
    "doctor": "`verdict`, `told` and `todo` are the former names of the three before them.",
    "campaigns preview": "With `--out`; without it `{url: string}`, the address of the page.",
    "campaigns status": "With `--watch` a line for each change, of the shape that `list` has.",
    "campaigns resume": "With `--local` it is that of `start`.",
    "leads import": (
        "With `--dry-run`: `{columns: [{number: number, header: string, field: string or null, "
        "custom_field: string or null}, …], rows: [{email: string}, …], leads: number, skipped, "
        "notes}`; a row has what the file gives the lead."
    ),
}

HEAD = """\
# Reference

Written from the code by `make reference`; change the code, not this file.

## Exit status

| status | meaning |
|---|---|
| 0 | it did what was asked |
| 1 | it did not: one sentence on stderr says why and what to do, see [errors.md](errors.md) |
| 2 | an option or argument is unknown, missing or out of its range; nothing was done |
"""

SETTINGS = """
Read from the environment, then from `.env` in the current folder; `.env.example` has them all.
In `.env` a `${NAME}` stands for that variable, also between quotes: a password that holds one
belongs into the environment.
Prefect has settings of its own, `PREFECT_API_URL` first among them. `NO_COLOR` takes the colours
away; `OUTREACH_DEBUG=1` shows the traceback of an unexpected error.
"""


def main() -> None:
    """Write both files below the current folder, which is the repository's root."""
    Path("docs/reference.md").write_text(reference(), encoding="utf-8")
    Path(".env.example").write_text(env_example(), encoding="utf-8")


def reference() -> str:
    """docs/reference.md."""
    interrupted = (
        f"| {INTERRUPTED} | interrupted with Ctrl-C |\n\n"
        "A value that its option cannot be read as, such as a date, ends with 1.\n"
    )
    return HEAD + interrupted + "\n".join(["", *_settings(), "", *_commands(), ""])


def env_example() -> str:
    """`.env.example`: every setting with its meaning and its default."""
    lines = [
        "# Every setting there is. Copy to .env and fill in what you need; the environment wins."
    ]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", f"# --- {SECTIONS[name]} ---"]
        lines += [f"# {line}" for line in textwrap.wrap(_meaning(field), WIDTH - 2)]
        lines.append(f"{_names(name, field)[0]}={_default(field)}")
    return "\n".join([*lines, ""])


# --- settings ---------------------------------------------------------------------------------


def _settings() -> Iterator[str]:
    yield "## Settings"
    yield SETTINGS.rstrip()
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            yield f"\n### {SECTIONS[name]}\n"
            yield "| setting | default | meaning |\n|---|---|---|"
        default = f"`{_default(field)}`" if _default(field) else ""
        yield f"| `{_names(name, field)[0]}` | {default} | {_meaning(field)} |"


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return (
        [str(one) for one in alias.choices] if isinstance(alias, AliasChoices) else [name.upper()]
    )


def _meaning(field: FieldInfo) -> str:
    """The text below the field, its limits, and its other name."""
    said = [" ".join((field.description or "").split())]
    limits = {"ge": "at least", "gt": "more than", "le": "at most"}
    bounds = [
        f"{word} {bound:.9g}"
        for one in field.metadata
        for key, word in limits.items()
        if (bound := getattr(one, key, None))  # that it may not be negative needs no words
    ]
    if bounds:
        said.append(f"{' and '.join(bounds).capitalize()}.")
    if isinstance(field.validation_alias, AliasChoices):
        said.append(f"{field.validation_alias.choices[1]} is read too.")
    return " ".join(said)


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | SecretStr():
            return ""
        case bool() as switch:
            return str(int(switch))
        case float() as number:
            return f"{number:g}"
        case value:
            return str(value)


# --- commands ---------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    yield "## Commands"
    for path, context in walk():
        yield from _command(path, context)


def walk() -> Iterator[tuple[str, Any]]:
    """Every command by its path (`campaigns start`), with the context for its help.

    The first one is the command as a whole, without a path.
    """
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="outreach")
    yield "", context
    yield from _below(context, "")


def _below(context: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in context.command.commands.items():
        inner = command.context_class(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from _below(inner, f"{path}{name} ")
        else:
            yield f"{path}{name}", inner


def _command(path: str, context: Any) -> Iterator[str]:
    command = context.command
    yield f"\n### {f'outreach {path}'.rstrip()}\n"
    yield f"`{command.get_usage(context).removeprefix('Usage: ')}`\n"
    yield " ".join(command.help.split("\n\n")[0].split())
    for paragraph in command.help.split("\n\n")[1:]:
        yield f"\n{' '.join(paragraph.split())}"
    records = [
        record
        for one in command.get_params(context)
        if one.name != "help" and (record := one.get_help_record(context))
    ]
    if records:
        yield "\n| | |\n|---|---|"
        for option, meaning in records:
            yield f"| `{option.replace('|', chr(92) + '|')}` | {meaning} |"
    if path in SHAPES:
        note = f" {NOTES[path]}" if path in NOTES else ""
        yield f"\n`--json`: `{shape(SHAPES[path])}`{note}"


# --- JSON -------------------------------------------------------------------------------------

_KINDS = {
    UUID: "uuid",
    str: "string",
    datetime: "time",
    date: "date",
    bool: "true or false",
    int: "number",
    float: "number",
}


def shape(kind: Any) -> str:
    """A type as a script sees it: `{id: uuid, error: string or null}`."""
    match kind:
        case dict():
            return f"{{{', '.join(f'{name}: {shape(one)}' for name, one in kind.items())}}}"
        case list():
            return f"[{shape(kind[0])}, …]"
        case type() if kind in _KINDS:
            return _KINDS[kind]
        case type() if issubclass(kind, BaseModel):
            shown = {name: f.annotation for name, f in kind.model_fields.items() if not f.exclude}
            computed = kind.model_computed_fields.items()
            return shape({**shown, **{name: f.return_type for name, f in computed}})
        case type() if is_dataclass(kind):
            return shape({field.name: field.type for field in fields(kind)})
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        return shape(arguments[0])
    if get_origin(kind) is list:
        return shape(list(arguments))
    if get_origin(kind) is Literal:
        return " or ".join(f'"{one}"' for one in arguments)
    return " or ".join("null" if one is NoneType else shape(one) for one in arguments)


if __name__ == "__main__":
    main()

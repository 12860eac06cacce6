"""Every error that a person can meet stands in docs/errors.md, with what to do about it.

Messages are read from the code: in Python of the calls that make an exception or a reason, in SQL
every literal that is a sentence. What is filled in is `…`, and what follows a semicolon is advice.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import outreach.errors
from outreach import commands

ROOT = Path(__file__).parents[2]
CATALOGUE = " ".join((ROOT / "docs/errors.md").read_text(encoding="utf-8").split())
CLASSES = {name for name, kind in vars(outreach.errors).items() if isinstance(kind, type)} - {
    "UUID",
    "Explained",
}

SPEAKING = CLASSES | {
    "CallRefused", "NoSlotsError", "NotDownloaded", "TemplateError", "Failed", "Unclear", "Deferred", "Open", "Skip", "Unfit", "refused",
}  # fmt: skip
"""Whose words reach a person; `refused` is one of the classes, as an argument."""


def said_in_python() -> Iterator[str]:
    """The message of every exception and reason that is made with words."""
    for package in ("outreach", "tasks", "flows", "deployments"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _speaks(node, path):
                    yield from _texts(node)


def said_in_sql() -> Iterator[str]:
    """Every literal of at least three words, but for remedies, statements and questions of JSON."""
    for path in sorted(
        [*ROOT.glob("supabase/migrations/*_tables.sql"), *ROOT.glob("supabase/sql/*.sql")]
    ):
        found = re.findall(
            r"--[^\n]*|'remedy',\s+'[^']*'|'((?:[^']|'')*)'", path.read_text(encoding="utf-8")
        )
        for literal in found:
            if re.search(r"\S+ \S+ \S+", literal) and not re.match(
                r"alter|revoke|grant|strict ", literal
            ):
                yield re.sub(r"%[sL]?(?=[;:,. )”]|$)", "…", literal.replace("''", "'"))


def _speaks(call: ast.Call, path: Path) -> bool:
    match call.func:
        case ast.Name(id=name):
            return name in SPEAKING
        case ast.Attribute(attr="__init__"):
            return path.name == "errors.py"
        case _:
            return False


def _texts(call: ast.Call) -> Iterator[str]:
    """What an error of ours takes second is its remedy."""
    given = call.args[:1] if _is_explained(call) else call.args
    for node in (*given, *(keyword.value for keyword in call.keywords)):
        for branch in (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,):
            text = _text(branch)
            if " " in text.strip("… "):
                yield text


def _is_explained(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) or call.func.id in CLASSES  # type: ignore[attr-defined]


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.FormattedValue(value=ast.Attribute(value=ast.Name("commands"), attr=name)):
            return str(getattr(commands, name))
        case ast.FormattedValue():
            return "…"
        case _:
            return ""


def gist(message: str) -> str:
    """What it says, without the advice: `There is no campaign …`."""
    return re.sub("…+", "…", " ".join(message.split())).partition(";")[0].strip(" .:")


def test_every_message_of_the_code_is_in_the_catalogue() -> None:
    """Add what is missing, for a newcomer: what it says, why, and what to do."""
    gists = {gist(message) for message in said_in_python()}

    assert len(gists) > 100
    assert sorted(one for one in gists if one not in CATALOGUE) == []


def test_every_message_of_the_database_is_in_the_catalogue() -> None:
    """Reasons of leads and campaigns, what is waited for, refusals."""
    gists = {gist(message) for message in said_in_sql()}

    assert len(gists) > 40
    assert sorted(one for one in gists if one not in CATALOGUE) == []


def test_every_class_is_in_the_catalogue() -> None:
    """By its name, as Prefect's log has it."""
    assert sorted(name for name in CLASSES if f"`{name}`" not in CATALOGUE) == []

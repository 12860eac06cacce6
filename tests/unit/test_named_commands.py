"""Every command that a message or a document names exists, with the options that it is given."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from outreach.cli.app import COMMANDS, app
from outreach.store.remedies import remedy

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(?:\S+=\S* )*outreach ([a-z][^`]*)`")
SOURCES = [
    path
    for pattern in ("outreach/**/*.py", "tasks/*.py", "flows/*.py", "deployments/**/*.py",
                    "supabase/sql/*.sql", "docs/*.md", "*.md")
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip
BELOW_THE_CLI = [
    path
    for path in SOURCES
    if path.suffix == ".py" and not path.is_relative_to(ROOT / "outreach/cli")
    and path != ROOT / "outreach/commands.py"
]  # fmt: skip
SQL = sorted(ROOT.glob("supabase/sql/*.sql"))
MAIN = typer.main.get_command(app)


def named() -> Iterator[tuple[Path, str]]:
    for path in SOURCES:
        for found in NAMED.finditer(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8"))):
            yield path, " ".join(found[1].split())


def wrong(words: str) -> str | None:
    """What is wrong with a command as it is written; None: nothing."""
    group, *rest = words.split()
    command = MAIN.commands.get(group)  # type: ignore[attr-defined]
    if command is None:
        return f"no command {group}"
    if group in COMMANDS and rest and rest[0] != "%s":  # whose command is filled in
        command = command.commands.get(rest[0])
        if command is None:
            return f"no command {group} {rest[0]}"
    options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
    unknown = [word for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", words) if word not in options]
    return f"no option {unknown[0]} of {words}" if unknown and "--help" not in unknown else None


def test_there_are_many() -> None:
    """Or the pattern has lost them."""
    assert len(list(named())) > 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_is_named_exists(path: Path) -> None:
    """A person will type it."""
    found = [words for where, words in named() if where == path]
    assert [told for words in found if (told := wrong(words)) is not None] == []


def literals(path: Path) -> Iterator[str]:
    """The strings of a module, without its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    docs = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.value


@pytest.mark.parametrize("path", BELOW_THE_CLI, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_below_the_cli_takes_a_command_from_where_it_is_spelled(path: Path) -> None:
    """From `outreach.commands`."""
    assert [text for text in literals(path) if "`outreach " in text] == []


def test_the_database_spells_no_command() -> None:
    """It names the remedy; `outreach.store.remedies` has the words for it."""
    texts = [path.read_text("utf-8") for path in SQL]
    names = {name for text in texts for name in re.findall(r"'remedy', '([a-z_]+)'", text)}

    assert [path.name for path, text in zip(SQL, texts, strict=True) if "`outreach " in text] == []
    assert len(names) == 4
    assert all(remedy(name, {"lead_tag": None, "campaign": "ID"}) for name in names)

"""Jinja2 reduced to the needs of a mail: allowed syntax, attributes, filters and tests.

An allow-list, not a list of known attacks: no assignment, macro, nested loop, calls only of a few
methods of text, arithmetic only `+`; no global names, no loader. The rest can still be piled up, so
each piece of it pays for its work, and each rendering has a budget.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined, Undefined, filters, nodes, pass_context, tests
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from outreach.excerpts import NAME, cut
from outreach.mail.templates.budget import (
    TemplateError,
    paid,
    pay_passes,
    size_of,
    spend,
    spend_units,
)

MOST_ITEMS = 1_000
"""Items of one loop."""
MOST_NODES = 3_000
"""Nodes of a template: compiling 40,000 takes 15 s, a long mail has a few hundred."""
MOST_TOKENS = 10 * MOST_NODES
"""Tokens of syntax, counted while they are read: 400,000 take 8 s."""
BRACED = re.compile(r"(?<!\{)\{([\w \t-]{1,80})\}(?!\})")
"""`{name}` of old templates, and some of CSS."""
LINE = "\0"
"""Marks a line break of a value: HTML treats it differently from one of the template."""
UNPRINTABLE = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that HTML or UTF-8 cannot hold."""
ABSENT = Undefined()
"""Replaces a value that a lead lacks and that its template guards: empty, not defined."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYNTAX = _words(
    "Template Output TemplateData Name Const List Tuple If For CondExpr And Or Not Compare Operand "
    "Test Filter Keyword Concat Add Neg Getattr Getitem Slice Call"
)
_METHODS = _words(
    "capitalize endswith lower lstrip partition removeprefix removesuffix rsplit rstrip split "
    "startswith strip title upper"
)
_LETTER_BY_LETTER = _words("lstrip rpartition rsplit rstrip strip")
"""Methods that compare each letter of the text with each of the argument."""
_LOOP = _words("index index0 first last length")
_CHEAP = _words("capitalize count first last length lower string trim upper")
_FILTERS = dict.fromkeys(_CHEAP, 1) | {"title": 30, "truncate": 2, "urlencode": 30, "wordcount": 10}
"""The cost of each, in units per character."""
_NUMBERS = _words("divisibleby even odd")
"""Tests that use Python's `%`, which formats values that are not numbers."""
_TESTS = _NUMBERS | _words(
    "== != < <= > >= boolean defined eq equalto escaped false float ge greaterthan gt in integer "
    "iterable le lessthan lower lt mapping ne none number sameas sequence string true undefined "
    "upper"
)


def check_syntax(tree: nodes.Template) -> None:
    """Raises TemplateError for the first construct that mails do not have, or for too many."""
    left = MOST_NODES
    for node in tree.find_all(nodes.Node):
        left -= 1 + (len(BRACED.findall(node.data)) if isinstance(node, nodes.TemplateData) else 0)
        if left < 0:
            raise _too_many()
        if not _allowed(node):
            where = f" in line {node.lineno}" if node.lineno else ""
            raise TemplateError(f"uses {_told(node)}{where}, which a mail cannot have")


class Counted(Extension):
    """Counts tokens while they are read: a template may be one long sum."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        for number, token in enumerate(stream):
            if number >= MOST_TOKENS:
                raise _too_many()
            yield token


def _too_many() -> TemplateError:
    return TemplateError(f"holds more than {MOST_NODES:,} placeholders and conditions")


def _allowed(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Call):
        return isinstance(node.node, nodes.Getattr) and node.node.attr in _METHODS
    if isinstance(node, nodes.For):
        return not node.recursive and node.find(nodes.For) is None
    return type(node).__name__ in _SYNTAX


def _told(node: nodes.Node) -> str:
    if isinstance(node, nodes.BinExpr):
        return f"`{node.operator}`"
    if isinstance(node, nodes.Call):
        called = node.node
        name = getattr(called, "name", None) or getattr(called, "attr", None)
        return f"`{cut(name, NAME)}()`" if name else "a call"
    named = {"For": "a loop in a loop", "Assign": "`set`", "Scope": "`autoescape`"}
    name = type(node).__name__
    return named.get(name, f"`{name.lower()}`")


# --- filters that differ from Jinja's -----------------------------------------------------------


def _default(value: Any, fallback: Any = "", _: bool = True) -> Any:
    """Known but empty falls back too; unknown names failed earlier."""
    return value or fallback


def _escape(value: Any) -> str:
    """Every value is escaped where it is printed; twice would show `&amp;`."""
    return str(_shown(value))


def _join(value: Any, separator: Any = "") -> str:
    """Also implements `~`."""
    values = value if isinstance(value, list | tuple) else [value]
    spend_units(10 * len(values))
    parts = [str(_shown(part)) for part in values]
    spend(sum(map(len, parts)) + len(parts) * len(str(separator)))
    return str(separator).join(parts)


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = str(_shown(value)), str(_shown(old)), str(_shown(new))
    spend(len(text) + len(old))
    spend(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _items(value: Any, pieces: int) -> Any:
    """The items of a loop: the lists of a custom field, not the letters of a name."""
    if not isinstance(value, list | tuple):
        raise TemplateError("loops over something that is not a list")
    if len(value) > MOST_ITEMS:
        raise TemplateError(f"loops over more than {MOST_ITEMS:,} items")
    pay_passes(len(value), pieces)
    return value


@pass_context
def _braced(context: Context, written: str, key: str) -> Any:
    """`{name}` of old templates; an unknown name is CSS and stays unchanged."""
    value = context.get(key, ABSENT)
    return Markup(written) if value is ABSENT else value  # noqa: S704 - the template's own text


def _bounded(function: Callable[..., Any], weight: int) -> Callable[..., Any]:
    """The filter, paid for by its input's size: none makes a text more than a few times longer."""

    @wraps(function)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        largest = max(map(size_of, (*args, *kwargs.values()))) if args or kwargs else 1
        spend_units(size_of(value) * weight * largest)
        result = function(value, *args, **kwargs)
        spend(len(result) if isinstance(result, str) else 1)
        return result

    return bounded


def _of_numbers(test: Any) -> Callable[..., Any]:
    @wraps(test)
    def tested(*numbers: Any) -> Any:
        if not all(isinstance(number, int | float) for number in numbers):
            raise TemplateError("asks of something that is not a number whether it can be divided")
        return test(*numbers)

    return tested


def _shown(value: Any) -> Any:
    """A value as text: empty for null, a list with commas. Raises TemplateError for a table."""
    if isinstance(value, str | int | float):
        return value
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)  # raises: the undefined is strict
    if isinstance(value, list | tuple):
        return _join(value, ", ")
    raise TemplateError("prints something that is not a text but holds several; name one of them")


def _in_text(value: Any) -> Any:
    """The text of a placeholder's value, its line breaks marked."""
    if isinstance(value, str) and value.isprintable():  # most: a line break is not printable
        return value
    shown = _shown(value)
    if not isinstance(shown, str):
        return shown
    lines = shown.replace(LINE, "").replace("\r\n", "\n").replace("\r", "\n")
    return lines.replace("\n", LINE)


def _in_html(value: Any) -> Any:
    """The same, without characters that HTML or UTF-8 cannot hold."""
    if isinstance(value, str) and value.isprintable():
        return value
    shown = _in_text(value)
    return type(shown)(UNPRINTABLE.sub("", shown)) if isinstance(shown, str) else shown


CALLED = "()"
"""Prefix of the attribute in `name.upper()`, so that `name.upper` alone is not a method."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Attributes are the keys of a table, the counters of a loop, a few methods of text."""

    intercepted_binops = frozenset({"+"})

    def call_binop(self, _: Context, __: str, left: Any, right: Any) -> Any:
        spend_units(size_of(left) + size_of(right))
        total = left + right
        spend(len(total) if isinstance(total, str | list | tuple) else 1)
        return total

    def getattr(self, obj: Any, attribute: str) -> Any:
        if obj is ABSENT:
            return obj
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        name = attribute.removeprefix(CALLED)
        if isinstance(obj, str) and attribute.startswith(CALLED) and name in _METHODS:
            return getattr(obj, name)
        return self.undefined(obj=obj, name=name)

    def call(self, context: Context, method: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a text; other calls raise Python's or Jinja's error."""
        if isinstance(method, BuiltinMethodType):
            # Jinja adds `_loop_vars` and the like, which must not reach the method.
            given = [*args, *(value for name, value in kwargs.items() if name[0] != "_")]
            sizes = [4, *map(size_of, given)]
            weight = max(sizes) if method.__name__ in _LETTER_BY_LETTER else 4
            spend_units(size_of(method.__self__) * weight + sum(sizes))
        return super().call(context, method, *args, **kwargs)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is ABSENT:
            return obj
        if isinstance(obj, str | list | tuple | Mapping):
            with suppress(TypeError, LookupError):
                return obj[argument]
        return self.undefined(obj=obj, name=argument)


def _made() -> _Sandbox:
    sandbox = _Sandbox(
        autoescape=True, undefined=StrictUndefined, finalize=_in_html, extensions=[Counted]
    )
    sandbox.globals.clear()
    given = {name: _bounded(filters.FILTERS[name], weight) for name, weight in _FILTERS.items()}
    sandbox.filters = given | {
        **dict.fromkeys(("default", "d"), _default),
        **dict.fromkeys(("escape", "e"), _escape),
        "join": _join,
        "replace": _replace,
        "_items": _items,
        "_braced": _braced,
        "_paid": paid,
    }
    allowed = {name: tests.TESTS[name] for name in _TESTS}
    sandbox.tests = allowed | {name: _of_numbers(tests.TESTS[name]) for name in _NUMBERS}
    return sandbox


SANDBOX = _made()
TEXT_SANDBOX = SANDBOX.overlay(autoescape=False, finalize=_in_text)
"""The same for plain text."""

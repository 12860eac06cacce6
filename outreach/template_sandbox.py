"""Jinja2 cut down to what a mail needs: which syntax, attributes and filters a template may use.

A list of what is allowed, not of known attacks: no assignment, macro, nested loop, call but of a
few methods of text, arithmetic but `+`; no global names, no loader. What is left can still be
piled up, so each rendering has a budget.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, filters, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

LONGEST = 1_000_000
"""Characters of a template, of a mail's body and of any value on the way. Gmail clips at 102 KB."""
MOST_ITEMS = 1_000
"""What one loop goes through."""
MOST_NODES = 3_000
"""Pieces of syntax in a template: compiling 40,000 takes 15 s, a long mail has a few hundred."""
BUDGET = 20_000_000
"""Characters that one rendering may produce in all, on the way too: under a second of work."""
LINE = "\0"
"""Stands for a line break of a value, which is another thing in HTML than one of the template."""
ABSENT = Undefined()
"""Stands for a value that a lead lacks and that its template provides for: empty, not defined."""

_left: ContextVar[int] = ContextVar("left", default=BUDGET)


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
_LOOP = _words("index index0 first last length")
_FILTERS = _words(
    "capitalize count first last length lower string title trim truncate upper urlencode wordcount"
)


class Fault(Exception):
    """What is wrong with a template, as the end of a sentence that begins with "The template"."""


def check_syntax(tree: nodes.Template) -> None:
    """Raises Fault for the first construct that mails do not have, and for too many of them."""
    for count, node in enumerate(tree.find_all(nodes.Node)):
        if count >= MOST_NODES:
            raise Fault(f"holds more than {MOST_NODES:,} placeholders and conditions")
        if not _allowed(node):
            where = f" in line {node.lineno}" if node.lineno else ""
            raise Fault(f"uses {_told(node)}{where}, which a mail cannot have")


def open_budget() -> None:
    """Begin a rendering (or a compilation, which folds constants) in this thread."""
    _left.set(BUDGET)


def spend(size: int) -> None:
    """Account for a text of this size before or after it is made. Raises Fault."""
    _left.set(_left.get() - size)
    if size > LONGEST or _left.get() < 0:
        raise Fault(f"becomes longer than {LONGEST:,} characters")


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
        return f"`{name}()`" if name else "a call"
    named = {"For": "a loop in a loop", "Assign": "`set`", "Scope": "`autoescape`"}
    name = type(node).__name__
    return named.get(name, f"`{name.lower()}`")


# --- what filters do here that they do not do in Jinja ------------------------------------------


def _default(value: Any, fallback: Any = "", _: bool = True) -> Any:
    """Known but empty falls back too; unknown names have failed long before."""
    return value or fallback


def _escape(value: Any) -> str:
    """Every value is escaped where it is printed; twice would show `&amp;`."""
    return str(_shown(value))


def _join(value: Any, separator: Any = "") -> str:
    """Also what `~` is made of."""
    parts = [str(_shown(part)) for part in (value if isinstance(value, list | tuple) else [value])]
    spend(sum(map(len, parts)) + len(parts) * len(str(separator)))
    return str(separator).join(parts)


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = str(_shown(value)), str(old), str(new)
    spend(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _items(value: Any) -> list[Any]:
    """What a loop goes through: the lists of a custom field, not the letters of a name."""
    if not isinstance(value, list | tuple):
        raise Fault("loops over something that is not a list")
    if len(value) > MOST_ITEMS:
        raise Fault(f"loops over more than {MOST_ITEMS:,} items")
    spend(len(value))
    return list(value)


@pass_context
def _braced(context: Context, written: str, key: str) -> Any:
    """`{name}` of old templates; what is no name is CSS and stays as it was written."""
    value = context.get(key, ABSENT)
    return Markup(written) if value is ABSENT else value  # noqa: S704 - the template's own text


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, paid for by its result: none makes a text more than a few times longer."""

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        spend(len(result) if isinstance(result, str) else 1)
        return result

    return bounded


def _shown(value: Any) -> Any:
    """What a placeholder prints: nothing for null, a list with commas; a table is no text."""
    if isinstance(value, str | int | float):
        return value
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)  # which raises: it is a strict one
    if isinstance(value, list | tuple):
        return _join(value, ", ")
    raise Fault("prints something that is not a text but holds several; name one of them")


def _printed(value: Any) -> Any:
    """What a placeholder prints, its line breaks marked."""
    shown = _shown(value)
    if isinstance(shown, str) and ("\n" in shown or "\r" in shown or LINE in shown):
        lines = shown.replace(LINE, "").replace("\r\n", "\n").replace("\r", "\n")
        return lines.replace("\n", LINE)
    return shown


CALLED = "()"
"""Stands before the attribute in `name.upper()`, so that `name.upper` alone is not a method."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Attributes are the entries of a table, the counters of a loop, a few methods of text."""

    intercepted_binops = frozenset({"+"})

    def call_binop(self, _: Context, __: str, left: Any, right: Any) -> Any:
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
            spend(len(obj))
            return getattr(obj, name)
        return self.undefined(obj=obj, name=name)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if obj is ABSENT:
            return obj
        if isinstance(obj, str | list | tuple | Mapping):
            with suppress(TypeError, LookupError):
                return obj[argument]
        return self.undefined(obj=obj, name=argument)


def _made() -> _Sandbox:
    sandbox = _Sandbox(autoescape=True, undefined=StrictUndefined, finalize=_printed)
    sandbox.globals.clear()
    sandbox.filters = {name: _bounded(filters.FILTERS[name]) for name in _FILTERS} | {
        **dict.fromkeys(("default", "d"), _default),
        **dict.fromkeys(("escape", "e"), _escape),
        "join": _join,
        "replace": _replace,
        "_items": _items,
        "_braced": _braced,
    }
    return sandbox


SANDBOX = _made()
TEXT_SANDBOX = SANDBOX.overlay(autoescape=False)
"""The same for what is no HTML."""

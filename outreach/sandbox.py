"""Jinja2 cut down to what a mail needs: which syntax, attributes and filters a template may use.

A list of what is allowed, not of known attacks: no assignment, macro, nested loop, call but of a
few methods of text, arithmetic but `+`. So the work grows with the template's length and nothing
else. No global names, no loader.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, filters, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

LONGEST = 1_000_000
"""Characters of a template, of a mail's body and of any value on the way. Gmail clips at 102 KB."""
MOST_ITEMS = 1_000
"""What one loop goes through."""

_SYNTAX = frozenset(
    (
        "Template Output TemplateData Name Const List Tuple If For CondExpr And Or Not Compare "
        "Operand Test Filter Keyword Concat Add Neg Getattr Getitem Slice Call"
    ).split()
)
_METHODS = frozenset(
    (
        "capitalize endswith lower lstrip partition removeprefix removesuffix rsplit rstrip split "
        "startswith strip title upper"
    ).split()
)
_LOOP = frozenset({"index", "index0", "first", "last", "length"})
_FILTERS = (
    "capitalize count d default e escape first join last length lower replace string striptags "
    "title trim truncate upper urlencode wordcount"
).split()


class Fault(Exception):
    """What is wrong with a template, as the end of a sentence that begins with "The template"."""


def check_syntax(tree: nodes.Template) -> None:
    """Raises Fault for the first construct that mails do not have."""
    for node in tree.find_all(nodes.Node):
        if not _allowed(node):
            raise Fault(f"uses {_told(node)} in line {node.lineno}, which a mail cannot have")


def check_size(size: int) -> None:
    if size > LONGEST:
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
    named = {"For": "a loop in a loop", "Assign": "`set`", "FromImport": "`import`"}
    name = type(node).__name__
    return named.get(name, f"`{name.lower()}`")


# --- what filters do here that they do not do in Jinja ------------------------------------------


def _default(value: Any, fallback: Any = "", _: bool = True) -> Any:
    """Known but empty falls back too; unknown names have failed long before."""
    return value or fallback


def _join(value: Any, separator: Any = "") -> str:
    parts = [_text(part) for part in value] if isinstance(value, list | tuple) else [_text(value)]
    check_size(sum(map(len, parts)) + len(parts) * len(_text(separator)))
    return _text(separator).join(parts)


def _replace(value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    check_size(len(text) + (text.count(old) * len(new)))
    return text.replace(old, new)


def _items(value: Any) -> list[Any]:
    """What a loop goes through: the lists of a custom field, not the letters of a name."""
    if not isinstance(value, list | tuple):
        raise Fault("loops over something that is not a list")
    if len(value) > MOST_ITEMS:
        raise Fault(f"loops over more than {MOST_ITEMS:,} items")
    return list(value)


@pass_context
def _braced(context: Context, written: str, key: str) -> Any:
    """`{name}` of old templates; what is no name is CSS and stays as it was written."""
    return context.get(key, Markup(written))  # noqa: S704 - the template's own text


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refusing what grew too long: each one grows a text a few times at most."""

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if isinstance(result, str):
            check_size(len(result))
        return result

    return bounded


def _text(value: Any) -> str:
    """Plain text, even of Markup: what is put together here is escaped again."""
    return "".join(shown) if isinstance(shown := _shown(value), str) else str(shown)


def _shown(value: Any) -> Any:
    """What a placeholder prints: nothing for null, a list with commas; a table is no text."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        raise Fault("prints a field that holds several values; name one of them")
    return value


class _Sandbox(ImmutableSandboxedEnvironment):
    """Attributes are the entries of a table, the counters of a loop, a few methods of text."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        methods = _METHODS if isinstance(obj, str) else _LOOP
        if isinstance(obj, str | LoopContext) and attribute in methods:
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, str | list | tuple | Mapping):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self.undefined(obj=obj, name=argument)


def _made() -> _Sandbox:
    sandbox = _Sandbox(autoescape=True, undefined=StrictUndefined, finalize=_shown)
    sandbox.globals.clear()
    own = {"default": _default, "d": _default, "join": _join, "replace": _replace}
    sandbox.filters = {
        **{name: _bounded(filters.FILTERS[name]) for name in _FILTERS},
        **own,
        "_items": _items,
        "_braced": _braced,
    }
    return sandbox


SANDBOX = _made()

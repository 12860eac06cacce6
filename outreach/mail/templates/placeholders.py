"""Finds the names that a lead must have, and those that leave a gap in the mail when empty.

`{{ name }}` does both; `{{ name or 'there' }}`, `{{ name|default('there') }}` and `{% if name %}Hi
{{ name }}{% endif %}` guard the name, so that it may be missing or empty.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jinja2 import nodes

_FALLBACKS = frozenset({"default", "d"})
_ASKING = frozenset({"defined", "undefined", "none"})
"""Tests for the presence of a value."""


class Unguarded(NamedTuple):
    """Names, as spelled in the tree, with at least one unguarded use."""

    required: frozenset[str]
    """Shown, compared or looped over."""
    shown: frozenset[str]
    """Shown without a replacement text."""


def unguarded(tree: nodes.Template) -> Unguarded:
    found = list(_found(tree, frozenset()))
    return Unguarded(
        required=frozenset(name for name, _ in found),
        shown=frozenset(name for name, shown in found if shown),
    )


def _found(
    node: nodes.Node, guarded: frozenset[str], *, asked: bool = False, shown: bool = True
) -> Iterator[tuple[str, bool]]:
    """Each name and whether it is shown.

    `guarded`: names that the template has tested on the way here; `asked`: this expression tests
    the value, so an empty one is provided for.
    """
    match node:
        case nodes.Name():
            if not asked and node.name not in guarded:
                yield node.name, shown
        case nodes.If():
            yield from _found(node.test, guarded, asked=True, shown=False)
            within = guarded | _names(node.test)
            yield from _all(node.iter_child_nodes(exclude=("test",)), within, shown=shown)
        case nodes.CondExpr():
            yield from _found(node.test, guarded, asked=True, shown=False)
            within = guarded | _names(node.test)
            for branch in filter(None, (node.expr1, node.expr2)):
                yield from _found(branch, within, asked=asked, shown=shown)
        case nodes.Or() | nodes.And():
            yield from _found(node.left, guarded, asked=True, shown=shown)
            within = guarded | _names(node.left)
            yield from _found(node.right, within, asked=asked, shown=shown)
        case nodes.For():
            yield from _found(node.iter, guarded, shown=False)
            within = guarded | _names(node.target)
            yield from _all(filter(None, [node.test]), within, shown=False)
            yield from _all([*node.body, *node.else_], within, shown=shown)
        case nodes.Not():
            yield from _found(node.node, guarded, asked=True, shown=False)
        case nodes.Compare():
            yield from _all(node.iter_child_nodes(), guarded, shown=False)
        case nodes.Test():
            asks = node.name in _ASKING
            yield from _found(node.node, guarded, asked=asks, shown=False)
            yield from _arguments(node, guarded, shown=False)
        case nodes.Filter() if node.node is not None:
            falls_back = node.name in _FALLBACKS
            yield from _found(node.node, guarded, asked=asked or falls_back, shown=shown)
            yield from _arguments(node, guarded, shown=falls_back and shown)
        case nodes.Getattr() | nodes.Getitem():
            yield from _found(node.node, guarded, asked=asked, shown=shown)
            yield from _arguments(node, guarded, shown=False)
        case nodes.Call():
            yield from _found(node.node, guarded, shown=shown)
            yield from _arguments(node, guarded, shown=False)
        case _:
            yield from _all(node.iter_child_nodes(), guarded, shown=shown)


def _arguments(
    node: nodes.Node, guarded: frozenset[str], *, shown: bool
) -> Iterator[tuple[str, bool]]:
    return _all(node.iter_child_nodes(exclude=("node",)), guarded, shown=shown)


def _all(
    found: Iterable[nodes.Node], guarded: frozenset[str], *, shown: bool
) -> Iterator[tuple[str, bool]]:
    for node in found:
        yield from _found(node, guarded, shown=shown)


def _names(node: nodes.Node) -> frozenset[str]:
    own = {node.name} if isinstance(node, nodes.Name) else set()
    return frozenset(own | {name.name for name in node.find_all(nodes.Name)})

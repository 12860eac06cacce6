"""Which names of a template leave a hole in the mail when a lead has no value for them.

`{{ name }}` does; `{{ name or 'there' }}` and `{% if name %}Hi {{ name }}{% endif %}` do not.
"""

from collections.abc import Iterator

from jinja2 import nodes

_NOT_SHOWN = (nodes.Compare, nodes.Test, nodes.Not)


def shown_bare(tree: nodes.Template) -> frozenset[str]:
    """The names that are shown without a word in their place."""
    return frozenset(_bare(tree, frozenset()))


def _bare(node: nodes.Node, provided: frozenset[str]) -> Iterator[str]:
    """`provided`: names that the template has asked about on the way here."""
    match node:
        case nodes.Name():
            if node.name not in provided:
                yield node.name
        case nodes.If():
            provided |= _names(node.test)
            yield from _all_bare([*node.body, *node.elif_, *node.else_], provided)
        case nodes.CondExpr():
            provided |= _names(node.test)
            shown = [node.expr1, node.expr2] if node.expr2 else [node.expr1]
            yield from _all_bare(shown, provided)
        case nodes.Or() | nodes.And():
            yield from _bare(node.right, provided | _names(node.left))
        case nodes.For():
            provided |= _names(node.target)
            yield from _all_bare([*node.body, *node.else_], provided)
        case nodes.Filter() | nodes.Call() | nodes.Getattr() | nodes.Getitem():
            if node.node is not None:
                yield from _bare(node.node, provided)
        case _ if not isinstance(node, _NOT_SHOWN):
            yield from _all_bare(list(node.iter_child_nodes()), provided)


def _all_bare(
    found: list[nodes.Node] | list[nodes.Expr], provided: frozenset[str]
) -> Iterator[str]:
    for node in found:
        yield from _bare(node, provided)


def _names(node: nodes.Node) -> frozenset[str]:
    own = {node.name} if isinstance(node, nodes.Name) else set()
    return frozenset(own | {name.name for name in node.find_all(nodes.Name)})

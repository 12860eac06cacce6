"""Compiles a company's template once: resolves its names, makes its text HTML where it is not.

A lead's value is data only: it is inserted after the template is parsed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Template, TemplateSyntaxError, meta, nodes
from jinja2.visitor import NodeTransformer

from outreach.excerpts import NAME, cut
from outreach.mail.entities import UNCLOSED
from outreach.mail.templates.budget import (
    LONGEST,
    LONGEST_VALUES,
    TemplateError,
    length_of,
    open_budget,
)
from outreach.mail.templates.placeholders import unguarded
from outreach.mail.templates.sandbox import (
    ABSENT,
    BRACED,
    CALLED,
    SANDBOX,
    TEXT_SANDBOX,
    UNPRINTABLE,
    check_syntax,
)

_LONGEST_REASON = 200
_MOST_KEYS = 4096
_RESERVED = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs"})
_WORDS_OF_JINJA = frozenset({"and", "or", "not", "in", "is", "if", "else"})

# `{{ First Name }}` and `{{ first-name }}`: an error and a subtraction for Jinja, names here.
_SEVERAL_WORDS = re.compile(r"\{\{\s*([^\W\d]\w*(?:[ \t-]+\w+)+)\s*\}\}")
# `@media print{#main{…}}`: there, `{#` opens no comment of Jinja's.
_STYLE = re.compile(r"<style\b[^<>]*>\s*(?:<!--)?[^<]*", re.IGNORECASE)
# `?id=7&region=eu`: no browser takes `&reg` for a sign in an address, every one does in a text.
_BARE_PARAMETER = re.compile(rf"(?<=[^\s>])&(?=(?:{'|'.join(UNCLOSED)})[a-zA-Z0-9]*=)")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});)")
MARKUP = re.compile(
    r"</?(?:a|b|big|blockquote|body|br|center|code|div|em|font|h[1-6]|head|hr|html|i|img|li|meta|ol"
    r"|p|pre|s|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|tt|u|ul)"
    r"(?:\s[^<>]*)?/?>|<!doctype\b",
    re.IGNORECASE,
)

_PRINTING = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Or,
    nodes.And,
    nodes.Not,
)


class Compiled(NamedTuple):
    jinja: Template
    names: Mapping[str, str]
    """Names in `{{ … }}`: key -> the template's spelling."""
    required: Mapping[str, str]
    """Those of them that a lead must have; the others are guarded."""
    braced: Mapping[str, str]
    """Names in `{…}` outside of style sheets, in the same form; some may not be names."""
    asked: Mapping[str, str]
    """Both, those of `{{ … }}` first."""
    has_markup: bool
    bare: frozenset[str]
    """The keys that leave a gap in the mail where a lead's value is empty."""
    absent: Mapping[str, Any]
    """The keys of the guarded names, with the replacement for a lead that lacks them."""
    guarded: tuple[tuple[str, str], ...]
    """Their keys with the template's spelling."""
    only_prints: bool
    """Whether it prints values, or asks whether they are empty, and does nothing else with them."""

    def fill(self, values: Mapping[str, Any]) -> list[str]:
        """The pieces of the text, filled from values by key. Raises TemplateError.

        Pieces of the template itself are plain `str`; values and text made from them are `Markup`.
        """
        length, given = 0, {**self.absent}
        for key, written in self.asked.items():
            if key in values:
                given[key] = value = values[key]
                length += len(value) if type(value) is str else _length(value, written)
            elif key in self.required:
                raise TemplateError(f"has {{{{ {written} }}}}, which this lead has no value for")
        if length > LONGEST_VALUES:
            raise TemplateError(
                "cannot be filled for this lead: the values that it asks for are longer than "
                f"{LONGEST_VALUES:,} characters"
            )
        open_budget()
        try:
            # As `generate` does, but it copies the values: the sandbox has no globals to add.
            context = self.jinja.new_context(given, shared=True)
            return _within_bounds(self.jinja.root_render_func(context))
        except TemplateError:
            raise
        except Exception as error:
            raise TemplateError(
                f"cannot be filled for this lead: {_first_sentence(error)}"
            ) from error


def key_of(name: str) -> str:
    """One key for all spellings of a name: `First Name`, `first-name`, `FIRST_NAME`, `firstName`.

    Empty when no placeholder can spell it.
    """
    return KEYS[name]


class _Keys(dict[str, str]):
    """Caches keys: a lead has dozens of columns, the same in each row."""

    def __missing__(self, name: str) -> str:
        if len(name) > NAME:
            return ""
        if len(self) >= _MOST_KEYS:
            self.clear()
        self[name] = key = _key(name)
        return key


KEYS = _Keys()


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    key = re.sub(r"[\W_]+", "", folded)
    return key if f"_{key}".isidentifier() and key not in _RESERVED else ""


def compiled(source: str, *, is_text: bool = False) -> Compiled:
    """The compiled template; `is_text`: a subject, which does not become HTML.

    Raises TemplateError for a syntax error, with its line, and for syntax that mails do not have.
    """
    if len(source) > LONGEST:
        raise TemplateError(f"is longer than {LONGEST:,} characters")
    made = (_few if len(source) > _LARGE else _many)(source, is_text)
    if isinstance(made, str):
        raise TemplateError(made)
    return made


def _compiled_or_fault(source: str, is_text: bool) -> Compiled | str:
    """Faults are cached too: the company's next lead gets them without another compilation."""
    open_budget()
    try:
        return _compiled(SANDBOX.parse(_readable_for_jinja(source)), is_text=is_text)
    except TemplateError as fault:
        return str(fault)
    except TemplateSyntaxError as error:
        return f"has an error in line {error.lineno}: {_first_sentence(error)}"
    except Exception as error:  # noqa: BLE001 - Python's compiler on absurd nesting
        return f"cannot be understood: {_first_sentence(error)}"


_LARGE = 50_000
_many = lru_cache(maxsize=512)(_compiled_or_fault)
_few = lru_cache(maxsize=16)(_compiled_or_fault)
"""For large templates: 512 of them would take gigabytes."""


def _readable_for_jinja(source: str) -> str:
    source = _SEVERAL_WORDS.sub(_in_one_word, source)
    return _STYLE.sub(lambda style: style[0].replace("{#", "{{ '{#' }}"), source)


def _in_one_word(placeholder: re.Match[str]) -> str:
    format_duration = re.split(r"[ \t-]+", placeholder[1])
    if _WORDS_OF_JINJA.intersection(word.lower() for word in format_duration):
        return placeholder[0]
    return f"{{{{ {'_'.join(format_duration)} }}}}"


def _compiled(tree: nodes.Template, *, is_text: bool) -> Compiled:
    check_syntax(tree)
    names = _name_by_key(tree)
    text = "".join(data.data for data in tree.find_all(nodes.TemplateData))
    has_markup = not is_text and MARKUP.search(text) is not None
    bare = unguarded(tree)
    only_prints = all(isinstance(node, _PRINTING) for node in tree.find_all(nodes.Node))
    _Rewriter(str if is_text else _mended if has_markup else _as_html).visit(tree)
    sandbox = TEXT_SANDBOX if is_text else SANDBOX
    tree.set_environment(sandbox)
    needed = meta.find_undeclared_variables(tree)
    braced = {
        key: word.strip() for word in BRACED.findall(_STYLE.sub("", text)) if (key := key_of(word))
    }
    names = {key: written for key, written in names.items() if key in needed}
    required = {key: written for key, written in names.items() if key in bare.required}
    return Compiled(
        jinja=sandbox.from_string(tree),
        names=names,
        required=required,
        braced=braced,
        asked={**names, **braced, **names},
        has_markup=has_markup,
        bare=bare.shown | frozenset(braced),
        absent=dict.fromkeys(names.keys() - required.keys(), ABSENT),
        guarded=tuple((key, names[key]) for key in names if key not in required),
        only_prints=only_prints,
    )


def _name_by_key(tree: nodes.Template) -> dict[str, str]:
    """Rename every name to its key; returns key -> its first spelling."""
    spellings: dict[str, str] = {}
    for name in tree.find_all(nodes.Name):
        written = name.name
        name.name = "loop" if written == "loop" else key_of(written)
        if not name.name:
            shown = cut(written, NAME)
            raise TemplateError(f"has {{{{ {shown} }}}}, which cannot be the name of a value")
        spellings.setdefault(name.name, written)
    return spellings


def _as_html(text: str) -> str:
    """Entities stay: their author knew that this becomes HTML."""
    escaped = _BARE_AMPERSAND.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    return UNPRINTABLE.sub("", escaped)


def _mended(markup: str) -> str:
    return UNPRINTABLE.sub("", _BARE_PARAMETER.sub("&amp;", markup))


class _Rewriter(NodeTransformer):
    """Adapts Jinja's tree to mails; operations that can grow go through a filter."""

    def __init__(self, literal: Callable[[str], str]) -> None:
        self.literal = literal

    def visit_TemplateData(self, node: nodes.TemplateData) -> list[nodes.Node]:  # noqa: N802
        """Literal text, made HTML if it is not, with each `{word}` as a node of its own."""
        parts: list[nodes.Node] = []
        position = 0
        for braces in BRACED.finditer(node.data):
            if key := key_of(braces[1]):
                written = nodes.Const(braces[0], lineno=node.lineno)
                parts += [
                    self._literal(node, node.data[position : braces.start()]),
                    _filtered(written, "_braced", nodes.Const(key, lineno=node.lineno)),
                ]
                position = braces.end()
        return [*parts, self._literal(node, node.data[position:])]

    def _literal(self, node: nodes.TemplateData, text: str) -> nodes.TemplateData:
        return nodes.TemplateData(self.literal(text), lineno=node.lineno)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802
        node.expr2 = node.expr2 or nodes.Const("", lineno=node.lineno)
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        pieces = nodes.Const(sum(1 for _ in node.find_all(nodes.Node)), lineno=node.lineno)
        node.iter = _filtered(node.iter, "_items", pieces)
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        node.expr = _paid(node.expr)
        return self.generic_visit(node)

    def visit_Operand(self, node: nodes.Operand) -> nodes.Node:  # noqa: N802
        node.expr = _paid(node.expr)
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        node.node = _paid(node.node)
        node.args = list(map(_paid, node.args))
        for keyword in node.kwargs:
            keyword.value = _paid(keyword.value)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        if isinstance(node.arg, nodes.Slice):
            node.node = _paid(node.node)
        return self.generic_visit(node)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        node.node.attr = f"{CALLED}{node.node.attr}"  # type: ignore[attr-defined]
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return self.generic_visit(_filtered(parts, "join"))


def _length(value: Any, written: str) -> int:
    try:
        return length_of(value)
    except TemplateError as fault:
        message = f"cannot be filled for this lead: its value for {{{{ {written} }}}} {fault}"
        raise TemplateError(message) from None


def _paid(node: Any) -> Any:
    """Pay for a value on which Python works directly, in one call."""
    return _filtered(node, "_paid")


def _filtered(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(arguments), [], None, None, lineno=node.lineno)


def _within_bounds(chunks: Iterator[str]) -> list[str]:
    pieces: list[str] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LONGEST:
            raise TemplateError(f"becomes longer than {LONGEST:,} characters")
        pieces.append(chunk)
    return pieces


def _first_sentence(error: Exception) -> str:
    message = str(error)[:_LONGEST_REASON]
    return re.split(r"\n|; |\. |\.$", message)[0] or type(error).__name__

"""Budget for filling one template.

Work is paid for before it is done, by the size of its input: a unit is one character copied or
compared, about 10 ns. Work that costs more per character has a weight. So each call into C is as
short as its input allows, and the budget can end between two calls. Where the units are wrong, the
clock is right: it is checked now and then.
"""

from contextvars import ContextVar
from math import isfinite
from time import thread_time
from typing import Any

from outreach.excerpts import cut

LONGEST = 1_000_000
"""Characters of a template, of a mail's body and of any text on the way. Gmail clips at 102 KB."""
LONGEST_VALUES = 200_000
"""Characters and list items of all values of one lead that a template uses."""
DEEPEST = 20
"""Levels of lists and tables in a value."""
UNITS = 20_000_000
"""Units of one rendering, or of one compilation, which folds constants."""
SECONDS = 1.0
"""CPU time of the thread: a machine that is busy, or was suspended, fails no mail."""

_ITEM = 10
"""Units of a list item, and of a call."""
_LOOK = 1_000_000
"""Units between two checks of the clock."""
_LARGEST_BITS = 1_000
_LONGEST_FAULT = 400


class TemplateError(Exception):
    """A fault of a template. The message continues a sentence that begins with "The template"."""

    def __init__(self, message: str) -> None:
        super().__init__(cut(message, _LONGEST_FAULT))


class _Budget:
    __slots__ = ("began", "left", "look_at")

    def __init__(self) -> None:
        self.left = UNITS
        self.look_at = UNITS - _LOOK
        self.began: float | None = None

    def look(self) -> None:
        """Check the budget and the clock; the first check only starts the clock."""
        now = thread_time()
        self.began = now if self.began is None else self.began
        self.look_at = self.left - _LOOK
        if self.left < 0 or now - self.began > SECONDS:
            raise TemplateError(
                "takes too long to fill: its loops or the values in them are too large"
            )


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def open_budget() -> None:
    """Begin a rendering or a compilation in this thread; most mails spend nothing."""
    _budget.set(None)


def spend(size: int, weight: int = 1) -> None:
    """Account for a text of this size before it is made or processed. Raises TemplateError."""
    if size > LONGEST:
        raise TemplateError(f"becomes longer than {LONGEST:,} characters")
    spend_units(size * weight)


def spend_units(units: int) -> None:
    budget = _budget.get()
    if budget is None:
        budget = _Budget()
        _budget.set(budget)
    budget.left -= units + _ITEM
    if budget.left < budget.look_at:
        budget.look()


def size_of(value: Any) -> int:
    """Units of a value: the cost to copy it, or to compare it with another."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple):
        return _ITEM * len(value) + sum(map(size_of, value))
    if isinstance(value, dict):
        return 2 * _ITEM * len(value) + sum(map(size_of, (*value.keys(), *value.values())))
    return 1


def paid(value: Any) -> Any:
    """Pay for the value's size and return it."""
    spend_units(len(value) if type(value) is str else size_of(value))
    return value


def pay_passes(passes: int, pieces: int) -> None:
    """Pay for a loop: `pieces` of syntax in each of its `passes`. Raises TemplateError."""
    spend_units(_ITEM * passes * pieces)


def length_of(value: Any, levels: int = DEEPEST) -> int:
    """Characters and items of a lead's value. Raises TemplateError when no mail can show it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | dict):
        if not levels:
            raise TemplateError(f"holds lists in lists, more than {DEEPEST} deep")
        parts = value if isinstance(value, list) else [*value.keys(), *value.values()]
        lengths = (
            len(part) if type(part) is str else length_of(part, levels - 1) for part in parts
        )
        return len(parts) + sum(lengths)
    if isinstance(value, float):
        if not isfinite(value):
            raise TemplateError("is no number that a mail could show")
    elif isinstance(value, int) and value.bit_length() > _LARGEST_BITS:
        raise TemplateError("is no number that a mail could show")
    return 1

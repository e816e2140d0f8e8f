"""How the report writes numbers, names, lists and tables."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NEVER = "not reached"
MANY = 6
"""Columns above which a table is set smaller on paper."""


def esc(text: object) -> str:
    """Text made safe for HTML."""
    return html.escape(str(text))


def number(value: float, digits: int = 0, *, signed: bool = False, none: str = "–") -> str:
    """A number with a fixed count of digits, or ``none`` where there is no number.

    Examples
    --------
    >>> number(1234.567, 1), number(float("nan")), number(0.31, 2, signed=True), number(-0.001, 2, signed=True)
    ('1,234.6', '–', '+0.31', '0.00')
    """
    if not math.isfinite(value):
        return none
    rounded = round(float(value), digits)
    if rounded == 0:
        return f"{0:.{digits}f}"  # neither +0.00 nor −0.00
    sign = "+" if signed and rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{abs(rounded):,.{digits}f}"


def plain(value: float) -> float | None:
    """A number for a chart: five digits, nothing where there is none."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def percent(share: float, digits: int = 0, *, none: str = "–") -> str:
    """A share as a percentage.

    Examples
    --------
    >>> percent(0.1234), percent(0.1234, 1)
    ('12 %', '12.3 %')
    """
    return f"{number(100 * share, digits)} %" if math.isfinite(share) else none


def chance(p: float) -> str:
    """A p value in words that claim no more digits than it has.

    Examples
    --------
    >>> chance(0.0312), chance(0.000001), chance(float("nan"))
    ('p = .031', 'p < .001', 'p unknown')
    """
    if not math.isfinite(p):
        return "p unknown"
    if p < 0.001:
        return "p < .001"
    return "p = 1" if p > 0.9995 else f"p = {p:.3f}".replace("0.", ".", 1)


def seconds(value: float) -> str:
    """Seconds with about three digits.

    Examples
    --------
    >>> seconds(0.01234), seconds(12.34), seconds(5000)
    ('0.0123 s', '12.3 s', '1.39 h')
    """
    if not math.isfinite(value):
        return "–"
    for unit, size in (("h", 3600.0), ("min", 120.0)):
        if value >= size:
            return f"{value / (60.0 if unit == 'min' else size):.3g} {unit}"
    return f"{value:.3g} s"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    Examples
    --------
    >>> counted(1, "family", "families"), counted(1200, "run")
    ('1 family', '1,200 runs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(items: Iterable[str], limit: int = 6) -> str:
    """Items in a sentence.

    Examples
    --------
    >>> listed("abc"), listed("abcdef", limit=3), listed("a")
    ('a, b and c', 'a, b, c and 3 others', 'a')
    """
    every = list(items)
    if len(every) > limit:
        rest = len(every) - limit
        return f"{', '.join(every[:limit])} and {counted(rest, 'other')}"
    return " and ".join([", ".join(every[:-1]), every[-1]]) if len(every) > 1 else "".join(every)


def task_words(task: str) -> str:
    """A task's name for people.

    Examples
    --------
    >>> task_words("digits~logistic~b10")
    'digits · logistic · b10'
    """
    return task.replace("~", " · ")


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, how it stands, what it says when pointed at, and small text below."""

    text: str
    tone: str = ""
    note: str = ""
    strong: bool = False
    below: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Parameters
    ----------
    head : sequence of str
    rows : sequence of sequence of str or Cell
    text : sequence of int
        Columns of words, aligned to the left; the first one always is.
    marked : sequence of int
        Rows that are set off.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    text: Sequence[int] = ()
    marked: Sequence[int] = ()

    def html(self) -> str:
        """The table, in a box of its own that scrolls where the page is narrow."""
        kind = ["words" if k == 0 or k in self.text else "" for k in range(len(self.head))]
        head = "".join(f"<th scope='col'{_class(kind[k])}>{esc(title)}</th>" for k, title in enumerate(self.head))
        body = "".join(
            f"<tr{_class('first' if r in self.marked else '')}>{''.join(map(_cell, row, kind, range(len(row))))}</tr>"
            for r, row in enumerate(self.rows)
        )
        many = _class("many" if len(self.head) > MANY else "")
        return (
            f'<div class="wide" tabindex="0"><table{many}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            "</div>"
        )


def _cell(cell: str | Cell, kind: str, place: int) -> str:
    cell = Cell(cell) if isinstance(cell, str) else cell
    classes = " ".join(part for part in (kind, cell.tone, "strong" if cell.strong else "") if part)
    note = f' title="{esc(cell.note)}"' if cell.note else ""
    tag = "th scope='row'" if place == 0 else "td"
    below = f"<small>{esc(cell.below)}</small>" if cell.below else ""
    return f"<{tag}{_class(classes)}{note}>{esc(cell.text)}{below}</{tag[:2]}>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""

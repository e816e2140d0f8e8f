"""The one way in: check the strategy against the view, run it, check what comes back."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from strategy_zoo.errors import UnmetNeedError, ZooError
from strategy_zoo.plain import Plain, Rule
from strategy_zoo.proposal import Proposal
from strategy_zoo.spelling import get
from strategy_zoo.strategy import Strategy
from strategy_zoo.view import FIELDS, View


def propose(strategy: str | Strategy | Rule, view: View, n: int, rng: np.random.Generator) -> Proposal:
    """The min(n, U) rows that a strategy asks for, best first.

    Parameters
    ----------
    strategy : a Strategy, its spelling, or a plain function f(view, n, rng) -> rows.
    view : what the loop shows.
    n : rows wanted, at least 1; more than the pool holds means all of it.
    rng : the only source of chance; the same state gives the same rows.

    Raises
    ------
    UnmetNeedError : the view lacks a field that the strategy needs.
    ZooError : n or rng is unusable, or the strategy answered with anything but min(n, U) unique rows in range.

    Examples
    --------
    >>> view = View(proba=[[0.9, 0.1], [0.55, 0.45], [0.7, 0.3]])
    >>> propose("margin", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]
    >>> propose(lambda view, n, rng: range(n), view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 1]
    """
    if not isinstance(view, View):
        raise ZooError(f"view is a {type(view).__name__}, expected a View; write View(proba=..., embedding=...)")
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
        raise ZooError(f"n is {n!r}, expected a whole number of rows, at least 1")
    if not isinstance(rng, np.random.Generator):
        raise ZooError(f"rng is a {type(rng).__name__}, expected a numpy Generator; pass np.random.default_rng(seed)")
    known = get(strategy)
    reason = unmet(known, view)
    if reason is not None:
        raise UnmetNeedError(reason)
    n = min(int(n), view.n)
    if n == 0:
        return Proposal(np.empty(0, np.int64), np.empty(0))
    label = known.label if isinstance(known, Plain) else known.spelling
    return _checked(label, known.propose(view, n, rng), view.n, n)


def unmet(strategy: str | Strategy | Rule, view: View) -> str | None:
    """Why the strategy can't run on the view, in words; None when it can.

    >>> unmet("k_center", View(proba=[[0.5, 0.5]]))
    'k_center needs embedding, which the view does not hold; pass embedding= to View (it holds proba)'
    """
    known = get(strategy)
    missing = [name for name in known.needs if not view.has(name)]
    if not missing:
        return None
    held = [name for name in FIELDS if view.has(name)]
    return (
        f"{known.spelling} needs {' and '.join(missing)}, which the view does not hold; "
        f"pass {', '.join(f'{name}=' for name in missing)} to View (it holds {', '.join(held)})"
    )


def _checked(label: str, answer: Any, size: int, n: int) -> Proposal:
    if not isinstance(answer, Proposal):
        raise ZooError(f"{label} answered with a {type(answer).__name__}, expected a Proposal; repair the strategy")
    rows = answer.rows
    if len(rows) != n:
        raise ZooError(f"{label} answered with {len(rows)} rows, expected exactly {n}; repair the strategy")
    ordered = np.sort(rows)
    if ordered[0] < 0 or ordered[-1] >= size:
        bad = int(rows[(rows < 0) | (rows >= size)][0])
        raise ZooError(f"{label} answered with row {bad}, expected rows from 0 to {size - 1}; repair the strategy")
    repeats = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeats):
        raise ZooError(
            f"{label} answered with row {repeats[0]} more than once, expected {n} different rows; repair the strategy"
        )
    return answer

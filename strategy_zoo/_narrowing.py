"""Smaller pools for strategies that compare rows with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.view import View

Rows = NDArray[np.int64]


def subset(size: int, most: int, rng: np.random.Generator) -> Rows:
    """`most` row numbers below `size`, drawn at random and sorted; all of them, without a draw, when they are fewer."""
    if size <= most:
        return np.arange(size)
    return np.sort(rng.choice(size, most, replace=False)).astype(np.int64)


def narrowed(view: View, most: int, n: int, rng: np.random.Generator) -> tuple[Rows, View]:
    """A random subset of at most max(most, n) rows, sorted, and its view; the view itself when it is small enough."""
    rows = subset(view.n, max(most, n), rng)
    return rows, view if len(rows) == view.n else view.take(rows)

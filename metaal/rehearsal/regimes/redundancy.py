"""Near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, change


@change
@dataclass(frozen=True)
class Redundancy(Change):
    """The pool is made of near-duplicates: a part of its rows, each with some jittered copies; its size stays.

    Guide and test split stay as they are, so a batch of five copies teaches what one of them does.

    Parameters
    ----------
    copies : int
        Copies of each row that is kept, ≥ 1.
    jitter : float
        Deviation of the copies from their original in each column, over the column's own, from 0 up to 1.

    Examples
    --------
    >>> Redundancy(copies=4).spelling
    'redundancy(copies=4)'
    """

    name: ClassVar[str] = "redundancy"
    copies: int
    jitter: float = 0.05

    def __post_init__(self) -> None:
        self.whole("copies", 1)
        self.number("jitter", 0.0, 1.0)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Keep a part of the rows and fill the pool up with copies of them, in random order."""
        size = len(layout.pool_y)
        order = rng.permutation(size)
        kept = max(1, size // (self.copies + 1))
        if layout.kind == "classification":
            # The first row of every class comes first: no class may vanish.
            first = [int(np.flatnonzero(layout.pool_y[order] == c)[0]) for c in np.unique(layout.pool_y)]
            order = np.concatenate([order[first], np.delete(order, first)])
            kept = max(kept, len(first))
        sources = np.resize(order[:kept], size)  # goes round: every kept row has as many copies, or one less
        place = rng.permutation(size)
        rows, original = sources[place], place < kept
        changed = layout.take(rows)
        error = rng.standard_normal(changed.pool_x.shape) * self.jitter * layout.pool_x.std(0)
        return replace(changed, pool_x=changed.pool_x + np.where(original[:, None], 0.0, error))

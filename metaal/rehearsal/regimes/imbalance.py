"""Rare classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, change

LEAST = 2
"""Rows that every class keeps: one may be known at first, one is left to be found."""


@change
@dataclass(frozen=True)
class Imbalance(Change):
    """Some classes become rare in the pool; the seed draws which ones.

    Guide and test split stay as they are: on a split as skewed as the pool a rare class would have a row or two, and no
    score of it could be told from chance. So accuracy weighs the classes as the data set does, balanced accuracy
    weighs them alike, and both say whether the rare ones were learnt.

    Parameters
    ----------
    ratio : float
        Rows of each rare class over those of the commonest class that stays, above 0 up to 1; 0.01 is 1:100. A class
        keeps at least 2 rows, and one that is rarer already stays as it is.
    rare : float
        Share of the classes that become rare, above 0, below 1 (rounded; at least one does, and at least one does not).

    Examples
    --------
    >>> Imbalance(ratio=0.01).spelling
    'imbalance(ratio=0.01)'
    """

    name: ClassVar[str] = "imbalance"
    ratio: float
    rare: float = 0.5

    def __post_init__(self) -> None:
        self.number("ratio", 0.0, 1.0, above=True)
        self.number("rare", 0.0, 1.0, above=True)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Drop rows of the classes drawn."""
        self.needs_classes(layout)
        y = layout.pool_y
        counts = np.bincount(y, minlength=layout.classes)
        present = np.flatnonzero(counts)
        number = int(np.clip(round(self.rare * len(present)), 1, max(len(present) - 1, 1)))
        rare = rng.permutation(present)[:number]
        order = rng.permutation(len(y))
        common = np.setdiff1d(present, rare)
        if not len(common):
            return layout
        most = max(LEAST, round(self.ratio * int(counts[common].max())))
        dropped = [order[y[order] == c][most:] for c in rare]
        return layout.take(np.setdiff1d(np.arange(len(y)), np.concatenate(dropped)))

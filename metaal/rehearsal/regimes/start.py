"""What is known at first: a cold start, and classes that nobody has seen yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, change


@change
@dataclass(frozen=True)
class ColdStart(Change):
    """The run begins with a label or a few of each class, and no more; in a regression with so many in all.

    Parameters
    ----------
    labels : int
        Labels of each class (fewer where the pool has fewer), ≥ 1.

    Examples
    --------
    >>> ColdStart().spelling, ColdStart(labels=3).spelling
    ('cold_start', 'cold_start(labels=3)')
    """

    name: ClassVar[str] = "cold_start"
    seed: ClassVar[Literal["split", "initial"]] = "initial"
    labels: int = 1

    def __post_init__(self) -> None:
        self.whole("labels", 1)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Another rule for the start."""
        if layout.kind == "regression":
            return replace(layout, start=replace(layout.start, count=self.labels))
        return replace(layout, start=replace(layout.start, count=1, each=self.labels))


@change
@dataclass(frozen=True)
class Unseen(Change):
    """Of some classes no label is known at first, so that they must be discovered; the seed draws which ones.

    Parameters
    ----------
    share : float
        Share of the pool's classes that are unseen, above 0 up to 1 (rounded; at least one is, at least one is not).
        With two classes the run begins with labels of one class.

    Examples
    --------
    >>> Unseen(share=0.2).spelling
    'unseen(share=0.2)'
    """

    name: ClassVar[str] = "unseen"
    seed: ClassVar[Literal["split", "initial"]] = "initial"
    share: float = 0.5

    def __post_init__(self) -> None:
        self.number("share", 0.0, 1.0, above=True)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Hide classes from the start."""
        self.needs_classes(layout)
        present = np.unique(layout.pool_y)
        number = int(np.clip(round(self.share * len(present)), 1, max(len(present) - 1, 1)))
        hidden = sorted(int(c) for c in rng.permutation(present)[:number])
        return replace(layout, start=replace(layout.start, unseen=tuple(hidden)))

"""Batch size and schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout, Schedule
from metaal.rehearsal.regimes.changes import Change, change


@change
@dataclass(frozen=True)
class Batch(Change):
    """Other batches than the task's: a size, a growth from loop to loop, or a share of what is labelled.

    Parameters
    ----------
    size : int
        Rows of the first loop; 0 = the task's.
    growth : float
        Factor from each loop to the next, from 1 to 100.
    share : float
        At least this share of the labels known so far, from 0 to 10.

    Examples
    --------
    >>> Batch(size=5, growth=1.25).spelling
    'batch(size=5,growth=1.25)'
    """

    name: ClassVar[str] = "batch"
    size: int = 0
    growth: float = 1.0
    share: float = 0.0

    def __post_init__(self) -> None:
        self.whole("size", 0)
        self.number("growth", 1.0, 100.0)
        self.number("share", 0.0, 10.0)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Another schedule; two such changes: the right one's."""
        return replace(layout, schedule=Schedule(self.size or layout.schedule.size, self.growth, self.share))

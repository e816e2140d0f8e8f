"""Features that say nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, change


@change
@dataclass(frozen=True)
class NoiseColumns(Change):
    """High dimension: columns of normal noise are added to pool, guide and test split.

    Parameters
    ----------
    count : int
        Columns to add, ≥ 1.
    scale : float
        Deviation of the noise over the root mean square of the deviations of the pool's columns, above 0 up to 100.

    Examples
    --------
    >>> NoiseColumns(count=50).spelling
    'noise_columns(count=50)'
    """

    name: ClassVar[str] = "noise_columns"
    count: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.whole("count", 1)
        self.number("scale", 0.0, 100.0, above=True)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Append the columns on the right."""
        unit = float(np.sqrt((layout.pool_x.std(0) ** 2).mean())) or 1.0

        def wider(x: np.ndarray) -> np.ndarray:
            return np.column_stack([x, rng.standard_normal((len(x), self.count)) * self.scale * unit])

        return replace(layout, pool_x=wider(layout.pool_x), guide_x=wider(layout.guide_x), test_x=wider(layout.test_x))

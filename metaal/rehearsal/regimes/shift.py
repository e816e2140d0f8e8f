"""A pool of another distribution than the one that counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metaal.rehearsal.layout import Layout
from metaal.rehearsal.regimes.changes import Change, change


@change
@dataclass(frozen=True)
class Shift(Change):
    """Covariate shift: a part of the pool is kept, with preference for rows far in one random direction.

    A row at z deviations along the direction is kept with a weight of exp(tilt z). Guide and test split stay, so the
    rows that count most are the ones that the pool has few of.

    Parameters
    ----------
    tilt : float
        Strength, above 0 up to 20; at 1 the mean of the weights lies one deviation away.
    keep : float
        Share of the pool that is kept, above 0 up to 1 (at 1 nothing is shifted).

    Examples
    --------
    >>> Shift(tilt=2).spelling
    'shift(tilt=2.0)'
    """

    name: ClassVar[str] = "shift"
    tilt: float
    keep: float = 0.5

    def __post_init__(self) -> None:
        self.number("tilt", 0.0, 20.0, above=True)
        self.number("keep", 0.0, 1.0, above=True)

    def apply(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Draw rows without replacement by their weights; of every class at least two are kept, if there are."""
        x, size = layout.pool_x, len(layout.pool_y)
        direction = rng.standard_normal(x.shape[1])
        # Each column counts alike, whatever its scale.
        spread = x.std(0)
        along = ((x - x.mean(0)) / np.where(spread > 0, spread, 1.0)) @ direction
        z = (along - along.mean()) / max(float(along.std()), 1e-12)
        # The largest of (log weight + Gumbel noise) are a weighted draw without replacement.
        key = self.tilt * z + rng.gumbel(size=size)
        order = np.argsort(-key, kind="stable")
        kept = order[: max(1, round(self.keep * size))]
        if layout.kind == "classification":
            few = [order[layout.pool_y[order] == c][:2] for c in np.unique(layout.pool_y)]
            kept = np.union1d(kept, np.concatenate(few))
        return layout.take(np.sort(kept))

"""MaxHerding: the rows that cover most of the pool, by a smooth kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import snap
from strategy_zoo._kernel import (
    MOST_ROWS,
    MOST_SEEN,
    Coverage,
    cover_cost,
    gathered,
    gaussian,
    most_rows,
    typical_distance,
)
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class MaxHerding(Strategy):
    """Greedily the row that adds most to the mean over the pool of exp(-distance² / lengthscale²) to the nearest pick.

    Labelled rows count as picked before. The score is what the row adds to the mean, in (0, 1]; rows that add nothing
    (duplicates) come last, the least covered first. The picks are those of the plain greedy method in pools of up to
    1,000 rows. Above, the mean over the pool is estimated by 1,000 random rows, and pools above 50,000 rows (fewer when
    they are wider than 128 columns: 6.4 million numbers in all) are replaced by a random subset of that size; above
    10,000 labelled rows a random 10,000 of them count.

    Parameters
    ----------
    lengthscale : 1e-12 to 1e12, in the unit of the embedding, or None: the median distance of random pairs of rows over
        the square root of 2. For directions in many dimensions, half of which are farther than that root from each
        other, this is the 1 that the authors use.
    metric : 'euclidean', or 'cosine' for rows scaled to length one first, as the authors do.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [2.0], [9.0], [9.1]], seen_embedding=[[9.05]])
    >>> strategy_zoo.propose("max_herding", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 0]

    References
    ----------
    Bae, Noh and Sutherland 2024, Generalized Coverage for More Robust Low-Budget Active Learning.
    """

    name: ClassVar[str] = "max_herding"
    family: ClassVar[str] = "coverage"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U, 50000) (min(U, 1000) log n + min(L, 10000) + n) D"
    reference: ClassVar[str] = "Bae et al. 2024, Generalized Coverage for More Robust Low-Budget Active Learning"
    limit: ClassVar[int | None] = MOST_ROWS

    lengthscale: float | None = None
    metric: str = "euclidean"

    def __post_init__(self) -> None:
        if self.lengthscale is not None:
            object.__setattr__(self, "lengthscale", real(self.name, "lengthscale", self.lengthscale, 1e-12, 1e12))
        choice(self.name, "metric", self.metric, ("euclidean", "cosine"))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        kept, pool, seen = gathered(view, n, self.metric, rng)
        (points, others), step = snap(pool, seen)
        scale = typical_distance(points, rng) / 2**0.5 if self.lengthscale is None else self.lengthscale / step
        rows, gain = Coverage(points, others, gaussian(scale), rng).greedy(n)
        return Proposal(kept[rows], gain)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, max(most_rows(D), n))
        return cover_cost(kept, min(L, MOST_SEEN), D, n) + U / 10

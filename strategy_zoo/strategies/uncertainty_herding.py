"""Uncertainty herding: the rows that cover most of the pool's uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, snap
from strategy_zoo._kernel import (
    MOST_ROWS,
    MOST_SEEN,
    Coverage,
    cover_cost,
    gathered,
    gaussian,
    most_rows,
    smallest_distance,
    typical_distance,
)
from strategy_zoo._kmeans import pair_cost
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class UncertaintyHerding(Strategy):
    """MaxHerding with each row of the pool weighted by its uncertainty, 1 - margin.

    Greedily the row that adds most to the mean of uncertainty * exp(-distance² / lengthscale²), the distance being that
    to the nearest row that is labelled or picked; the score is what it adds. As in the paper the lengthscale shrinks
    while labels come in, so that it goes over to margin.

    What makes it MaxHerding with few labels is left out: before each batch the authors hold out some labelled rows and
    divide the logits by the temperature of the smallest calibration error there, which brings the weights of a poor
    model close to each other; and with nothing labelled all rows weigh the same. Here the probabilities are taken as
    they are given; write calibrated(uncertainty_herding) to have a temperature fitted (by the logarithmic loss).

    If no row is uncertain, all weigh the same. Rows that add nothing come last, the least covered first. Large pools
    are handled as in max_herding: 50,000 rows, 1,000 of them for the mean, and 10,000 labelled rows, drawn at random.

    Parameters
    ----------
    lengthscale : 1e-12 to 1e12, in the unit of the embedding, or None: the smallest distance above zero between two
        labelled rows, as in the paper; without two different labelled rows that of max_herding.
    metric : 'euclidean', or 'cosine' for rows scaled to length one first, as the authors do.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.9, 0.1], [0.5, 0.5], [0.6, 0.4]], embedding=[[0.0], [1.0], [9.0]])
    >>> strategy_zoo.propose("uncertainty_herding", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Bae, Oliveira and Sutherland 2025, Uncertainty Herding: One Active Learning Method for All Label Budgets.
    """

    name: ClassVar[str] = "uncertainty_herding"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U, 50000) (min(U, 1000) log n + min(L, 10000) + n) D"
    reference: ClassVar[str] = "Bae et al. 2025, Uncertainty Herding: One Active Learning Method for All Label Budgets"
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
        scale = self._scale(points, others, rng) if self.lengthscale is None else self.lengthscale / step
        doubt = np.maximum(1 - margins(field_of(view, "proba")[kept]), 0)  # rows sum to 1 only nearly
        weight = doubt if doubt.any() else None
        rows, gain = Coverage(points, others, gaussian(scale), rng, weight).greedy(n)
        return Proposal(kept[rows], gain)

    @staticmethod
    def _scale(points: F4, seen: F4, rng: np.random.Generator) -> float:
        return smallest_distance(seen) or typical_distance(points, rng) / 2**0.5

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, max(most_rows(D), n))
        return cover_cost(kept, min(L, MOST_SEEN), D, n) + U / 10 + 8 * kept * C + pair_cost(D) * min(L, MOST_SEEN) ** 2

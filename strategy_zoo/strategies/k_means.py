"""k-means: the row closest to the centre of each of n clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import snap
from strategy_zoo._kernel import MOST_ROWS, most_rows, representatives
from strategy_zoo._kmeans import centres, fit_cost, pair_cost
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class KMeans(Strategy):
    """Cluster the pool into n clusters and take the row closest to each centre, large clusters first.

    The score is the cluster's share of the pool. A row that is closest to two centres stands for the larger
    cluster; the other one gets the closest row that is left. When fewer than n different rows exist, the rest are
    filled up with the rows farthest from their centre, and the score 0. What is labelled is not looked at: typiclust
    is the strategy that knows which clusters have labels. Pools above 50,000 rows (fewer when they are wider than 128
    columns: 6.4 million numbers in all) are clustered by a random subset of that size; the closest rows are sought in
    the whole pool.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [2.0], [9.0], [9.0]])
    >>> strategy_zoo.propose("k_means", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 3]

    References
    ----------
    Xu, Yu, Tresp, Xu and Wang 2003, Representative Sampling for Text Classification Using Support Vector Machines (they
    cluster the rows inside of the margin; write narrow(margin, k_means) for that).
    """

    name: ClassVar[str] = "k_means"
    family: ClassVar[str] = "density"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "(U + min(U, 50000)) n D"
    reference: ClassVar[str] = (
        "Xu et al. 2003, Representative Sampling for Text Classification Using Support Vector Machines"
    )
    limit: ClassVar[int | None] = MOST_ROWS

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        (points,), _ = snap(field_of(view, "embedding"))
        fitted = subset(len(points), max(most_rows(points.shape[1]), n), rng)
        return Proposal(*representatives(points, centres(points[fitted], n, rng), n))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        fitted = min(U, max(most_rows(D), n))
        return fit_cost(fitted, n, D) + 2 * pair_cost(D) * U * n + 8 * U * D

"""Weighted k-means: the least-margin rows, clustered with their uncertainty as the weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import snap
from strategy_zoo._kernel import most_rows, representatives
from strategy_zoo._kmeans import centres, fit_cost, pair_cost
from strategy_zoo._narrowing import subset
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, top, whole
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class WeightedKMeans(Strategy):
    """Keep the factor * n least-margin rows, cluster them with weights 1 - margin, take the row closest to each centre.

    Clusters that hold more weight come first; the score is the cluster's share of the weight of all rows kept. A row
    that is closest to two centres stands for the heavier cluster; the other one gets the closest row that is left. When
    fewer than n different rows with a weight exist, the rest are filled up with the heaviest rows left, those far from
    their centre first, and the score 0. If no row has a weight, all of them get the same. Above 50,000 rows kept
    (fewer when they are wide, see k_means) a random subset of that size is clustered.

    Parameters
    ----------
    factor : 1 to 10,000. Rows kept for each row wanted; the authors use 10 and 50, 1 is plain margin in another order.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.6, 0.4], [0.55, 0.45], [1.0, 0.0]], embedding=[[0.0], [0.1], [9.0], [5.0]]
    ... )
    >>> strategy_zoo.propose("weighted_k_means", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 2]

    References
    ----------
    Zhdanov 2019, Diverse Mini-Batch Active Learning.
    """

    name: ClassVar[str] = "weighted_k_means"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U C + factor n² D"
    reference: ClassVar[str] = "Zhdanov 2019, Diverse Mini-Batch Active Learning"

    factor: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", whole(self.name, "factor", self.factor, 1, 10_000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        margin = margins(field_of(view, "proba"))
        near = np.sort(top(-margin, self.factor * n))
        (points,), _ = snap(field_of(view, "embedding")[near])
        weight = np.maximum(1 - margin[near], 0)  # rows sum to 1 only nearly
        fitted = subset(len(near), max(most_rows(points.shape[1]), n), rng)
        if not weight[fitted].any():
            weight = np.ones(len(near))
        found = centres(points[fitted], n, rng, weight=weight[fitted])
        rows, share = representatives(points, found, n, weight)
        return Proposal(near[rows], share)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, self.factor * n)
        fitted = min(kept, max(most_rows(D), n))
        return U * (6 * C + 15) + fit_cost(fitted, n, D) + 2 * pair_cost(D) * kept * n

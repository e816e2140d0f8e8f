"""Cluster margin: the least-margin rows, spread over clusters of the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import snap
from strategy_zoo._kmeans import fit_cost, kmeans
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, top, whole
from strategy_zoo.view import View

_MOST_CLUSTERS = 500  # more would make k-means the slowest step of the loop; clusters are then visited more than once


@register
@dataclass(frozen=True, repr=False)
class ClusterMargin(Strategy):
    """Keep the factor * n least-margin rows, cluster them, then take the least-margin row of each cluster in turn.

    Clusters are visited from the smallest to the largest, again and again until n rows are found. The authors cut one
    hierarchical clustering of the whole pool, which needs all pairs; with the few rows that are left here, k-means with
    n clusters (500 at most) gives groups of the same number and purpose in memory that grows with the rows.

    Parameters
    ----------
    factor : 1 to 10,000. Rows kept for each row wanted; 1 is plain margin in another order.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.51, 0.49], [0.6, 0.4]], embedding=[[0.0], [0.0], [9.0]]
    ... )
    >>> strategy_zoo.propose("cluster_margin", view, 2, np.random.default_rng(0)).rows.tolist()
    [2, 0]

    References
    ----------
    Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh and Kumar 2021, Batch Active Learning at Scale.
    """

    name: ClassVar[str] = "cluster_margin"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U C + factor n min(n, 500) D"
    reference: ClassVar[str] = "Citovsky et al. 2021, Batch Active Learning at Scale"

    factor: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", whole(self.name, "factor", self.factor, 1, 10_000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        margin = margins(field_of(view, "proba"))
        near = top(-margin, self.factor * n)  # least margin first
        (points,), _ = snap(field_of(view, "embedding")[near])
        label = kmeans(points, min(n, _MOST_CLUSTERS), rng)
        size = np.bincount(label)
        # The turn of a row is its place in its own cluster: sorting by turn, then by cluster size, is the round-robin.
        order = np.argsort(label, kind="stable")
        starts = np.cumsum(size) - size
        turn = np.empty(len(near), np.int64)
        turn[order] = np.arange(len(near)) - starts[label[order]]
        picked = near[np.lexsort((np.arange(len(near)), size[label], turn))[:n]]
        return Proposal(picked, -margin[picked])

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, self.factor * n)
        return U * (6 * C + 15) + fit_cost(kept, min(n, _MOST_CLUSTERS), D)

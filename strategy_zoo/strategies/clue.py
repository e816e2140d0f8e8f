"""CLUE: clusters of the pool, weighted by entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F8, snap
from strategy_zoo._kernel import MOST_ROWS, most_rows, representatives
from strategy_zoo._kmeans import centres, fit_cost, pair_cost
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, block_rows, field_of, real
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Clue(Strategy):
    """Cluster the pool into n clusters with the entropy as the weight, and take the row closest to each centre.

    Clusters that hold more entropy come first; the score is the cluster's share of it. A row that is closest to two
    centres stands for the heavier cluster; the other one gets the closest row that is left (the authors' rule; they
    visit clusters in no particular order). When fewer than n different rows with an entropy exist, the rest are filled
    up with the rows of the highest entropy left, those far from their centre first, and the score 0. If no row has an
    entropy, all of them weigh the same. Pools above 50,000 rows (fewer when they are wider than 128 columns: 6.4
    million numbers in all) are clustered by a random subset of that size; the closest rows are sought in the whole
    pool.

    Parameters
    ----------
    temperature : 0.01 to 100, no unit. The logits are divided by it before the entropy is taken: below 1 the most
        uncertain rows dominate, above 1 all rows become alike. The authors use 1 and 0.1.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     proba=[[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], [0.6, 0.4]], embedding=[[0.0], [0.4], [5.0], [9.0]]
    ... )
    >>> strategy_zoo.propose("clue", view, 2, np.random.default_rng(0)).rows.tolist()
    [0, 3]

    References
    ----------
    Prabhu, Chandrasekaran, Saenko and Hoffman 2021, Active Domain Adaptation via Clustering Uncertainty-Weighted
    Embeddings.
    """

    name: ClassVar[str] = "clue"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "embedding")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U C + (U + min(U, 50000)) n D"
    reference: ClassVar[str] = (
        "Prabhu et al. 2021, Active Domain Adaptation via Clustering Uncertainty-Weighted Embeddings"
    )
    limit: ClassVar[int | None] = MOST_ROWS

    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", real(self.name, "temperature", self.temperature, 0.01, 100))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba = field_of(view, "proba")
        weight = np.empty(len(proba))
        for start in range(0, len(proba), step := block_rows(view)):
            weight[start : start + step] = _entropy(proba[start : start + step], self.temperature)
        (points,), _ = snap(field_of(view, "embedding"))
        fitted = subset(len(points), max(most_rows(points.shape[1]), n), rng)
        if not weight[fitted].any():
            weight = np.ones(len(points))
        found = centres(points[fitted], n, rng, weight=weight[fitted])
        return Proposal(*representatives(points, found, n, weight))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        fitted = min(U, max(most_rows(D), n))
        return fit_cost(fitted, n, D) + 2 * pair_cost(D) * U * n + U * (8 * D + 12 * C)


def _entropy(proba: F8, temperature: float) -> F8:
    """Entropy in nats after the logits were divided by the temperature: of p ** (1 / temperature), normalised."""
    logit = np.log(np.where(proba > 0, proba, 1.0))
    if temperature != 1:
        scaled = np.where(proba > 0, logit / temperature, -np.inf)
        scaled -= scaled.max(axis=1, keepdims=True)
        proba = np.exp(scaled)
        proba /= proba.sum(axis=1, keepdims=True)
        logit = np.log(np.where(proba > 0, proba, 1.0))
    return np.asarray(np.maximum(-(proba * logit).sum(axis=1), 0))

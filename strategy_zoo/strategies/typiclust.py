"""TypiClust: the most typical row of each cluster that has no label yet."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, F8, Rows, blocks, lengths, snap
from strategy_zoo._kernel import MOST_ROWS, most_rows, pool_and_seen
from strategy_zoo._kmeans import fit_cost, kmeans
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, whole
from strategy_zoo.view import View

_MOST_CLUSTERS = 500  # as in the paper
_MOST_REFERENCES = 1_000  # members of a cluster against which its rows are compared


@register
@dataclass(frozen=True, repr=False)
class Typiclust(Strategy):
    """Cluster labelled and pool rows, then from the largest clusters without labels take the densest row.

    There are L + n clusters, 500 at most. A pick counts as a label, so clusters with the fewest labels and picks come
    first, larger ones before smaller ones. The typicality of a row, and its score, is one over the mean distance to its
    nearest neighbours in the cluster. The authors' program also leaves out clusters of up to 5 rows and counts labelled
    rows in a cluster's size, but not as neighbours, of which it takes half of the cluster at most. To keep memory and
    time bounded, pools above 50,000 rows (fewer when they are wider than 128 columns: 6.4 million numbers in all) are
    replaced by a random subset of that size, the labelled rows too, and in clusters above 1,000 members neighbours are
    sought among a random 1,000 of them.

    Parameters
    ----------
    neighbours : 1 to 1,000. Neighbours over which the distance is averaged (fewer in small clusters).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [2.0], [9.0], [9.1]], seen_embedding=[[9.05]])
    >>> strategy_zoo.propose("typiclust", view, 1, np.random.default_rng(0)).rows.tolist()
    [1]

    References
    ----------
    Hacohen, Dekel and Weinshall 2022, Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets.
    """

    name: ClassVar[str] = "typiclust"
    family: ClassVar[str] = "diversity"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U + L, 100000) min(L + n, 500) D"
    reference: ClassVar[str] = (
        "Hacohen et al. 2022, Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets"
    )

    limit: ClassVar[int | None] = MOST_ROWS

    neighbours: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbours", whole(self.name, "neighbours", self.neighbours, 1, 1000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        pool, seen = pool_and_seen(view)
        labelled = len(seen)
        most = most_rows(pool.shape[1])
        kept = subset(len(pool), max(most, n), rng)
        both, step = snap(pool[kept], seen[subset(labelled, most, rng)])
        points = np.concatenate(both)
        label = kmeans(points, min(labelled + n, _MOST_CLUSTERS), rng)
        members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])
        # (labels and picks, -size, cluster): the first in this order is asked next.
        waiting = []
        for c, rows in enumerate(members):
            in_pool = int((rows < len(kept)).sum())
            if in_pool:
                waiting.append((len(rows) - in_pool, -in_pool, c))
        heapq.heapify(waiting)
        queues: dict[int, list[tuple[int, float]]] = {}
        picks: list[tuple[int, float]] = []
        while len(picks) < n:
            labels, size, c = heapq.heappop(waiting)
            if c not in queues:
                queues[c] = _by_typicality(points, members[c], len(kept), self.neighbours, rng)
            picks.append(queues[c].pop())
            if queues[c]:
                heapq.heappush(waiting, (labels + 1, size, c))
        rows = kept[np.array([row for row, _ in picks], np.int64)]
        return Proposal(rows, np.array([score for _, score in picks]) / step)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        rows = min(U, max(most_rows(D), n)) + min(L, most_rows(D))
        clusters = min(L + n, _MOST_CLUSTERS)
        typical = min(_MOST_REFERENCES, rows / max(1, clusters))
        choosing = U / 10  # a subset isn't free
        return fit_cost(rows, clusters, D) + rows * typical * 4 + choosing


def _by_typicality(
    points: F4, members: Rows, pool: int, neighbours: int, rng: np.random.Generator
) -> list[tuple[int, float]]:
    """The cluster's pool rows (those below `pool`) with their typicality in grid units, the most typical one last."""
    inside = points[members]
    mean = _mean_distance(inside, lengths(inside), neighbours, subset(len(members), _MOST_REFERENCES, rng))
    rows, mean = members[members < pool], mean[members < pool]
    # One grid step is added: a row among its own duplicates is as typical as can be, and stays finite.
    score = 1 / (mean + 1)
    order = np.lexsort((-rows, score))
    return list(zip(rows[order].tolist(), score[order].tolist(), strict=True))


def _mean_distance(inside: F4, squared: F8, neighbours: int, references: Rows) -> F8:
    """Mean distance of each point to its nearest neighbours among the references, itself excluded."""
    out = np.zeros(len(inside))
    if len(inside) < 2:
        return out
    others = inside[references].astype(np.float64)
    # With a subset of references a point outside of it has all of them as neighbours, one inside has one fewer.
    k = min(neighbours, len(references) - 1)
    for start, block in blocks(inside, len(references)):
        distance = block @ others.T
        distance *= -2
        distance += squared[references]
        distance += squared[start : start + len(block), None]
        column = np.flatnonzero((references >= start) & (references < start + len(block)))
        distance[references[column] - start, column] = np.inf
        part = np.partition(distance, k - 1, axis=1)[:, :k]
        out[start : start + len(block)] = np.sqrt(part).mean(axis=1)
    return out

"""Largest cluster, maximum distance (LCMD): the farthest row of the cluster that is served worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import lengths, nearest, snap, to_row
from strategy_zoo._kernel import pool_and_seen
from strategy_zoo._regression import counted_from_the_second
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class LargestClusterMaxDistance(Strategy):
    """Of the cluster with the largest sum of squared distances, the row that is farthest from its centre.

    Labelled rows and rows picked before are the centres; each row of the pool belongs to the nearest one (to the
    earlier one among equals). Sums are those of the whole cluster, so dense regions get more picks than in k_center.
    With nothing labelled the first row is the one with the longest embedding, as in the authors' program. The score is
    the distance at the time of the pick, in the unit of the embedding. This is the authors' LCMD-TP (labelled rows are
    centres too) on the given embedding; the paper feeds it projections of a network's gradients.

    Examples
    --------
    >>> import strategy_zoo
    >>> near, far = [[1.0], [1.1], [1.2], [1.3]], [[9.0]]
    >>> view = strategy_zoo.View(embedding=near + far, seen_embedding=[[0.0], [8.0]])
    >>> strategy_zoo.propose("largest_cluster_max_distance", view, 1, np.random.default_rng(0)).rows.tolist()
    [3]

    References
    ----------
    Holzmüller, Zaverkin, Kästner and Steinwart 2023, A Framework and Benchmark for Deep Batch Active Learning for
    Regression.
    """

    name: ClassVar[str] = "largest_cluster_max_distance"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U (L + n) D"
    reference: ClassVar[str] = (
        "Holzmüller et al. 2023, A Framework and Benchmark for Deep Batch Active Learning for Regression"
    )

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        pool, seen = pool_and_seen(view)
        (points, others), step = snap(pool, seen)
        squared = lengths(points)
        if len(others):
            centre, distance = nearest(points, others, squared)
            row = _worst(centre, distance)
        else:
            centre, distance = np.zeros(len(points), np.int64), np.full(len(points), np.inf)
            row = int(lengths(snap(pool, centre=False)[0][0]).argmax())
        rows, reached = np.empty(n, np.int64), np.empty(n)
        for i in range(n):
            rows[i], reached[i] = row, distance[row]
            new = to_row(points, squared, row)
            closer = new < distance
            distance[closer] = new[closer]
            centre[closer] = len(others) + i
            distance[row] = -1  # never again, even when only duplicates are left
            if i + 1 < n or np.isinf(reached[0]):
                row = _worst(centre, distance)
        return Proposal(rows, np.sqrt(counted_from_the_second(reached, distance)) * step)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (n * (5.5 + 0.42 * D) + L * (1 + 0.03 * D) + 8 * D + 107) + 11_000 * n)


def _worst(centre: np.ndarray, distance: np.ndarray) -> int:
    """The farthest row of the cluster with the largest sum; of all clusters whose sum is largest, where several tie."""
    total = np.bincount(centre, weights=np.maximum(distance, 0))
    largest = np.flatnonzero(total == total.max())
    inside = np.flatnonzero(np.isin(centre, largest) if len(largest) > 1 else centre == largest[0])
    return int(inside[distance[inside].argmax()])

"""ProbCover: the rows whose balls hold the most rows that nothing labelled covers yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, F8, Rows, blocks, lengths, nearest, snap, to_row
from strategy_zoo._kernel import MOST_ROWS, MOST_SEEN, balls, gathered, most_rows
from strategy_zoo._kmeans import fit_cost, kmeans, pair_cost
from strategy_zoo._narrowing import subset
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice, real, whole
from strategy_zoo.view import View

_MOST_REFERENCES = 10_000  # rows that balls are counted by
_MOST_PURITY_ROWS = 2_000  # rows that purity is measured at


@register
@dataclass(frozen=True, repr=False)
class ProbCover(Strategy):
    """Greedily the row with the most rows nearer than the radius that are nearer to nothing labelled or picked.

    The score is the share of the pool that the row newly covers. When everything is covered, rows farthest from all
    that is labelled or picked follow (k-center), with the score 0; the authors' program takes any. The picks are those
    of the plain greedy method in pools of up to 10,000 rows. Above, balls are counted by 10,000 random rows, and pools
    above 50,000 rows (fewer when they are wider than 128 columns: 6.4 million numbers in all) are replaced by a random
    subset of that size; above 10,000 labelled rows a random 10,000 of them count. Covered rows leave the count with one
    more look at them, so no graph of neighbours is kept.

    Parameters
    ----------
    radius : 1e-12 to 1e12, in the unit of the embedding, or None: as in the paper, the largest one that leaves the
        share `purity` of the balls pure, that is, with rows of one k-means cluster of the pool alone; worked out from
        the distances of 2,000 random rows to the nearest row of another cluster. No label is used.
    purity : 0.01 to 1. Only used without a radius.
    clusters : 2 to 10,000, or None: the number of classes that proba shows (at least 2), 10 without proba. Only used
        without a radius; the authors take the number of classes.
    metric : 'euclidean', or 'cosine' for rows scaled to length one first, as the authors do (the radius is then that of
        a chord, at most 2).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [2.0], [8.0], [9.0]])
    >>> strategy_zoo.propose("prob_cover(radius=1.5)", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 3]

    References
    ----------
    Yehuda, Dekel, Hacohen and Weinshall 2022, Active Learning Through a Covering Lens.
    """

    name: ClassVar[str] = "prob_cover"
    family: ClassVar[str] = "coverage"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding", "proba")
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U, 50000) (min(U, 10000) + min(L, 10000) + n) D"
    reference: ClassVar[str] = "Yehuda et al. 2022, Active Learning Through a Covering Lens"
    limit: ClassVar[int | None] = MOST_ROWS

    radius: float | None = None
    purity: float = 0.95
    clusters: int | None = None
    metric: str = "euclidean"

    def __post_init__(self) -> None:
        if self.radius is not None:
            object.__setattr__(self, "radius", real(self.name, "radius", self.radius, 1e-12, 1e12))
        object.__setattr__(self, "purity", real(self.name, "purity", self.purity, 0.01, 1))
        if self.clusters is not None:
            object.__setattr__(self, "clusters", whole(self.name, "clusters", self.clusters, 2, 10_000))
        choice(self.name, "metric", self.metric, ("euclidean", "cosine"))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        kept, pool, seen = gathered(view, n, self.metric, rng)
        (points, others), step = snap(pool, seen)
        squared = lengths(points)
        if self.radius is None:
            known = None if view.proba is None else max(2, view.proba.shape[1])
            limit = _pure(points, squared, kmeans(points, self.clusters or known or 10, rng), self.purity, rng)
        else:
            # The grid may bring rows at just this distance a little nearer; duplicates are inside in any case.
            limit = max(0.5, self.radius / step - points.shape[1] ** 0.5) ** 2
        distance = nearest(points, others, squared)[1] if len(others) else np.full(len(points), np.inf)
        # Converted once, because every pick reads all of it.
        rows, share = _greedy(points.astype(np.float64), squared, distance, limit, n, rng)
        return Proposal(kept[rows], share)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept, seen = min(U, max(most_rows(D), n)), min(L, MOST_SEEN)
        looks = 1 + min(1, n / 200)  # at every reference: to count it, and to take it off when it is covered
        each = looks * min(kept, _MOST_REFERENCES) * (0.03 * D + 2) + pair_cost(D) * seen + n * (0.6 * D + 60)
        if self.radius is None:
            clusters = self.clusters or max(2, C)
            return kept * (each + pair_cost(D) * _MOST_PURITY_ROWS) + fit_cost(kept, clusters, D) + U / 10
        return kept * each + U / 10


def _pure(points: F4, squared: F8, label: Rows, purity: float, rng: np.random.Generator) -> float:
    """Largest squared radius whose balls hold rows of one cluster, but for the share 1 - purity of them."""
    rows = subset(len(points), _MOST_PURITY_ROWS, rng)
    turned = np.ascontiguousarray(points[rows].astype(np.float64).T) * -2
    least = np.full(len(rows), np.inf)
    for start, block in blocks(points, len(rows)):
        part = slice(start, start + len(block))
        distance = block @ turned
        distance += squared[part, None]
        distance[label[part, None] == label[rows]] = np.inf
        np.minimum(least, distance.min(axis=0), out=least)
    least += squared[rows]
    # A ball is pure when its radius doesn't exceed the distance to the nearest row of another cluster.
    impure = len(rows) - int(np.ceil(purity * len(rows) - 1e-9))
    found = float(np.sort(least)[impure])
    return found if np.isfinite(found) else 1.0  # one cluster: all rows are equal


def _greedy(points: F4, squared: F8, distance: F8, limit: float, n: int, rng: np.random.Generator) -> tuple[Rows, F8]:
    """n rows by newly covered rows; `distance` is that to the nearest row that is labelled, and becomes that to picks.

    Rows count for themselves, the references (those other than the row) for all others.
    """
    size = len(points)
    references = subset(size, _MOST_REFERENCES, rng)
    belongs = np.zeros(size, bool)
    belongs[references] = True
    others = (size - 1) / np.maximum(len(references) - belongs, 1)
    open_rows = references[distance[references] >= limit]
    count = balls(points, squared, open_rows, limit)
    free = np.ones(size, bool)
    rows, share = np.empty(n, np.int64), np.zeros(n)
    for i in range(n):
        alone = distance >= limit  # nothing covers the row itself
        degree = np.where(free, alone + others * (count - (alone & belongs)), -1.0)
        row = int(degree.argmax())
        if degree[row] > 0:
            share[i] = degree[row] / size
        else:
            row = int(np.where(free, distance, -1.0).argmax())
        rows[i], free[row] = row, False
        np.minimum(distance, to_row(points, squared, row), out=distance)
        covered = distance[open_rows] < limit
        count -= balls(points, squared, open_rows[covered], limit)
        open_rows = open_rows[~covered]
    return rows, share

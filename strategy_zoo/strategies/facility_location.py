"""Facility location: the rows from which the pool is nearest on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, F8, lengths, snap
from strategy_zoo._kernel import MOST_ROWS, MOST_SEEN, Coverage, Similarity, cover_cost, gathered, most_rows
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class FacilityLocation(Strategy):
    """Greedily the row that adds most to the pool's mean similarity to its most similar pick (greedy k-medoids).

    Labelled rows count as picked before (the authors choose without them). The score is what the row adds to the mean
    similarity; rows that add nothing (duplicates) come last, the least similar to the picks first. Large pools are
    handled as in max_herding: 50,000 rows, 1,000 of them for the mean, and 10,000 labelled rows, drawn at random; up to
    1,000 rows the picks are those of the plain greedy method. The authors let a filter choose the most uncertain
    rows first: write narrow(margin, facility_location).

    Parameters
    ----------
    metric : 'euclidean' (similarity = a constant that no distance exceeds - distance, in the unit of the embedding) or
        'cosine' (similarity = 1 + cosine; rows of zeros have the cosine 0.5 with every direction).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [2.0], [8.0], [9.0]])
    >>> strategy_zoo.propose("facility_location", view, 2, np.random.default_rng(0)).rows.tolist()
    [2, 3]

    References
    ----------
    Wei, Iyer and Bilmes 2015, Submodularity in Data Subset Selection and Active Learning.
    """

    name: ClassVar[str] = "facility_location"
    family: ClassVar[str] = "coverage"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "min(U, 50000) (min(U, 1000) log n + min(L, 10000) + n) D"
    reference: ClassVar[str] = "Wei, Iyer and Bilmes 2015, Submodularity in Data Subset Selection and Active Learning"
    limit: ClassVar[int | None] = MOST_ROWS

    metric: str = "euclidean"

    def __post_init__(self) -> None:
        choice(self.name, "metric", self.metric, ("euclidean", "cosine"))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        kept, pool, seen = gathered(view, n, self.metric, rng)
        cosine = self.metric == "cosine"
        (points, others), step = snap(pool, seen)
        similarity = _cosine(step) if cosine else _closeness(points, others)
        rows, gain = Coverage(points, others, similarity, rng).greedy(n)
        return Proposal(kept[rows], gain if cosine else gain * step)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        kept = min(U, max(most_rows(D), n))
        return cover_cost(kept, min(L, MOST_SEEN), D, n) + U / 10


def _cosine(step: float) -> Similarity:
    def similarity(distance: F8) -> F4:
        # |a - b|² = 2 (1 - cos) for directions; rounding to the grid may leave opposite ones a little beyond 2.
        out = distance.astype(np.float32)
        out *= np.float32(-(step**2) / 2)
        out += np.float32(2)
        return np.maximum(out, 0, out=out)

    return similarity


def _closeness(points: F4, seen: F4) -> Similarity:
    longest = max(float(lengths(array).max(initial=0.0)) for array in (points, seen))
    peak = np.float32(2 * longest**0.5 + 1)  # no two rows are farther apart

    def similarity(distance: F8) -> F4:
        out = distance.astype(np.float32)
        np.sqrt(out, out=out)
        return np.subtract(peak, out, out=out)

    return similarity

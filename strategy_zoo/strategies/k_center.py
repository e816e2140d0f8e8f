"""k-center (core-set): cover the pool, farthest row first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F4, F8, lengths, nearest, snap, to_row
from strategy_zoo._kernel import directions, pool_and_seen
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, choice
from strategy_zoo.view import View

_FEW = 500  # labelled rows that every row is compared with
_AT_ONCE = 1024


@register
@dataclass(frozen=True, repr=False)
class KCenter(Strategy):
    """Greedily the row that is farthest from everything labelled or picked before.

    With nothing labelled the first row is the one closest to the mean. The score is the distance at the time of the
    pick. Only one vector of distances is kept, so memory grows with the pool alone.

    Parameters
    ----------
    metric : 'euclidean' (in the unit of the embedding) or 'cosine' (1 - cosine, in [0, 2]; a row of zeros, which has no
        direction, counts as 0.5 away from every direction).

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [5.0], [9.0]], seen_embedding=[[0.0]])
    >>> strategy_zoo.propose("k_center", view, 2, np.random.default_rng(0)).rows.tolist()
    [3, 2]

    References
    ----------
    Sener and Savarese 2018, Active Learning for Convolutional Neural Networks: A Core-Set Approach.
    """

    name: ClassVar[str] = "k_center"
    family: ClassVar[str] = "diversity"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    growth: ClassVar[str] = "U (L + n) D"
    reference: ClassVar[str] = (
        "Sener and Savarese 2018, Active Learning for Convolutional Neural Networks: A Core-Set Approach"
    )

    metric: str = "euclidean"

    def __post_init__(self) -> None:
        choice(self.name, "metric", self.metric, ("euclidean", "cosine"))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        pool, seen = pool_and_seen(view)
        if self.metric == "cosine":
            pool, seen = directions(pool), directions(seen)
        (points, others), step = snap(pool, seen)
        squared = lengths(points)
        # A bound from some of the labelled rows tells which rows may be farthest; these alone are compared with all.
        some = others[:: max(1, -(-len(others) // _FEW))]
        distance = nearest(points, some, squared)[1] if len(some) else np.full(len(points), np.inf)
        known = np.full(len(points), len(some) == len(others))
        rows = np.empty(n, np.int64)
        reached = np.empty(n)
        # Without labels the first row is the one next to the mean, which is the grid's origin.
        row = _farthest(distance, known, points, squared, others) if len(others) else int(squared.argmin())
        for i in range(n):
            rows[i], reached[i] = row, distance[row]
            np.minimum(distance, to_row(points, squared, row), out=distance)
            distance[row] = -1  # never again, even when only duplicates are left
            row = _farthest(distance, known, points, squared, others)
        if np.isinf(reached[0]):  # nothing was labelled: the first row counts as far as the second, or as the last left
            reached[0] = reached[1] if n > 1 else max(0.0, distance[row])
        if self.metric == "cosine":
            return Proposal(rows, reached * step**2 / 2)  # |a - b|² = 2 (1 - cos) for directions
        return Proposal(rows, np.sqrt(reached) * step)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        pairs = U * min(L, _FEW) + min(U, max(3 * _AT_ONCE, U / 20)) * max(0, L - _FEW)
        return float(pairs * (0.04 * D + 1.2) + U * (n * (0.45 * D + 3) + 6 * D) + 100_000)


def _farthest(distance: F8, known: NDArray[np.bool_], points: F4, squared: F8, others: F4) -> int:
    """The row of the largest distance, after the rows above it were compared with all that is labelled."""
    while not known[row := int(distance.argmax())]:
        old = np.flatnonzero(~known)
        if len(old) > _AT_ONCE:
            old = old[np.argpartition(-distance[old], _AT_ONCE)[:_AT_ONCE]]
        distance[old] = np.minimum(distance[old], nearest(points[old], others, squared[old])[1])
        known[old] = True
    return row

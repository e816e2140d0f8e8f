"""DropQuery: rows on which noisy passes contradict the prediction, spread over clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._grid import F4, F8, Rows, lengths, snap
from strategy_zoo._kmeans import fit_cost, kmeans
from strategy_zoo._narrowing import subset
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, block_rows, field_of, real
from strategy_zoo.view import View

_MOST_CLUSTERS = 500  # more would make k-means the slowest step of the loop; clusters are then visited more than once
_MOST_CANDIDATES = 20_000


@register
@dataclass(frozen=True, repr=False)
class DropQuery(Strategy):
    """Cluster the rows whose predicted class most noisy passes contradict; take the row closest to each centre.

    A row is a candidate when more than `share` of the passes in `stochastic` predict another class than `proba` does.
    The candidates are clustered into n groups; the largest comes first. Beyond the paper: there are at most 500
    clusters, which are visited again for their second closest row, and so on (also when duplicates leave fewer than n
    clusters); above 20,000 candidates (or n, when it is larger) a random subset of that size is clustered; and when no
    more than n rows are candidates all of them are taken, with the rows that come next by share of contradicting
    passes. Rows of equal share come in the order of their margin then. The score is the share, in [0, 1].

    Parameters
    ----------
    share : 0 to 0.999. Share of the passes that has to be exceeded (0.5 in the paper: more than half).

    Examples
    --------
    >>> import strategy_zoo
    >>> likes, doubts = [0.9, 0.1], [0.1, 0.9]
    >>> view = strategy_zoo.View(
    ...     proba=[likes] * 4, stochastic=[[likes, doubts, doubts, doubts]], embedding=[[0.0], [1.0], [1.2], [9.0]]
    ... )
    >>> strategy_zoo.propose("drop_query", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 3]

    References
    ----------
    Gupte, Aklilu, Nirschl and Yeung-Levy 2024, Revisiting Active Learning in the Era of Vision Foundation Models.
    """

    name: ClassVar[str] = "drop_query"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba", "stochastic", "embedding")
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U C + min(U, 20000) min(n, 500) D"
    reference: ClassVar[str] = "Gupte et al. 2024, Revisiting Active Learning in the Era of Vision Foundation Models"

    share: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", real(self.name, "share", self.share, 0, 0.999))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        against = _against(view)
        candidates = np.flatnonzero(against > self.share)
        if len(candidates) <= n:
            order = np.lexsort((margins(field_of(view, "proba")), -against))[:n]
            return Proposal(order, against[order])
        candidates = candidates[subset(len(candidates), max(_MOST_CANDIDATES, n), rng)]
        (points,), _ = snap(field_of(view, "embedding")[candidates])
        label = kmeans(points, min(n, _MOST_CLUSTERS), rng)
        size = np.bincount(label)
        order = np.lexsort((np.arange(len(label)), _to_centre(points, label, size), label))
        starts = np.cumsum(size) - size
        # The turn of a row is its place in its own cluster, the closest row first.
        turn = np.empty(len(label), np.int64)
        turn[order] = np.arange(len(label)) - starts[label[order]]
        picked = candidates[np.lexsort((candidates, label, -size[label], turn))[:n]]
        return Proposal(picked, against[picked])

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        # How many passes disagree is the model's affair; with more classes it is more of them.
        kept = min(U * (1 - 1 / (C + 1)) ** 3, max(_MOST_CANDIDATES, n))
        return float(U * (8 * C + 150)) + fit_cost(kept, min(n, _MOST_CLUSTERS), D) + kept * 20 * D


def _against(view: View) -> F8:
    """Share of the passes that predict another class than the model."""
    out = np.empty(view.n)
    for start in range(0, view.n, step := block_rows(view)):
        block = view.block(start, start + step)
        predicted = field_of(block, "proba").argmax(axis=1)
        out[start : start + step] = (field_of(block, "stochastic").argmax(axis=2) != predicted).mean(axis=0)
    return out


def _to_centre(points: F4, label: Rows, size: Rows) -> F8:
    """Squared distance of each gridded point to the middle of its cluster, put on the grid."""
    order = np.argsort(label, kind="stable")
    total = np.add.reduceat(points[order].astype(np.float64), np.cumsum(size) - size, axis=0)
    return lengths(points - np.rint(total / size[:, None])[label])

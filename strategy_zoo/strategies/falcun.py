"""FALCUN: uncertain rows whose predictions differ from those picked before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import F8
from strategy_zoo._kmeans import draw
from strategy_zoo._uncertainty import margins
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of, real
from strategy_zoo.view import View

_ROWS = 4096  # of a block: the scratch arrays stay in the processor's cache


@register
@dataclass(frozen=True, repr=False)
class Falcun(Strategy):
    """Rows drawn one by one in proportion to (uncertainty + diversity) ** gamma, both in [0, 1].

    The uncertainty is 1 - margin. The diversity of a row is the smaller one of its uncertainty and its least L1
    distance, between vectors of class probabilities, to the rows picked so far, scaled so that it reaches from 0 to 1
    over the rows not picked yet (0 for all when it is the same for all). A batch so begins with uncertain rows and goes
    over to different ones. The score is the sum at the time of the draw, in [0, 2]. When it is zero for all rows left,
    they are drawn with equal chances. As in the authors' program, the scaled diversity is computed anew for each draw
    from the distances themselves.

    Parameters
    ----------
    gamma : 0 to 1,000, no unit. At 0 the rows are random, at large values each draw takes the largest sum.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [1, 0, 0]])
    >>> strategy_zoo.propose("falcun(gamma=1000)", view, 2, np.random.default_rng(0)).rows.tolist()
    [1, 2]

    References
    ----------
    Gilhuber, Beer, Ma and Seidl 2024, FALCUN: A Simple and Efficient Deep Active Learning Strategy.
    """

    name: ClassVar[str] = "falcun"
    family: ClassVar[str] = "hybrid"
    needs: ClassVar[tuple[str, ...]] = ("proba",)
    kind: ClassVar[Kind] = "batch"
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U n C"
    reference: ClassVar[str] = "Gilhuber et al. 2024, FALCUN: A Simple and Efficient Deep Active Learning Strategy"

    gamma: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", real(self.name, "gamma", self.gamma, 0, 1000))

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        proba = field_of(view, "proba")
        uncertainty = np.maximum(1 - margins(proba), 0)  # rows sum to 1 only nearly
        distance = uncertainty.copy()
        columns = np.ascontiguousarray(proba.T)  # read n times, column by column
        left = np.ones(len(proba), bool)
        rows = np.empty(n, np.int64)
        reached = np.empty(n)
        for i in range(n):
            if i:
                _approach(columns, rows[i - 1], distance)
            wish = relevance(uncertainty, distance, left)
            peak = wish.max()
            row = draw((wish / peak) ** self.gamma * left, rng) if peak > 0 else None
            if row is None:
                row = int(rng.choice(np.flatnonzero(left)))
            rows[i], reached[i], left[row] = row, wish[row], False
        return Proposal(rows, reached)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float((n - 1) * (U * (1.35 * C + 10) + 17_000) + U * (4 * C + 6))


def relevance(uncertainty: F8, distance: F8, left: NDArray[np.bool_]) -> F8:
    """Uncertainty plus the distance scaled to [0, 1] over the rows left; zero for the others."""
    low = np.where(left, distance, np.inf).min()
    width = distance.max() - low  # a row that was picked is at distance 0, which is never above the others
    wish = (distance - low) / width if width > 0 else np.zeros(len(distance))
    wish += uncertainty
    wish *= left
    return wish


def _approach(columns: F8, row: int, distance: F8) -> None:
    """Lower each distance to the one to this row, where that is smaller."""
    for start in range(0, len(distance), _ROWS):
        part = slice(start, start + _ROWS)
        total = np.zeros(len(distance[part]))
        for column in columns:
            total += np.abs(column[part] - column[row])
        np.minimum(distance[part], total, out=distance[part])

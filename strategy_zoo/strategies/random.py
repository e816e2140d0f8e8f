"""Random sampling: the yardstick of every strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, top
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class Random(Strategy):
    """Every row has the same chance.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(proba=[[0.5, 0.5]] * 4)
    >>> answer = strategy_zoo.propose("random", view, 2, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.probability.tolist()
    ([0, 1], [0.5, 0.5])

    References
    ----------
    Cochran 1977, Sampling Techniques.
    """

    name: ClassVar[str] = "random"
    family: ClassVar[str] = "random"
    kind: ClassVar[Kind] = "rowwise"
    task: ClassVar[tuple[str, ...]] = ("classification", "regression")
    stochastic: ClassVar[bool] = True
    growth: ClassVar[str] = "U"
    reference: ClassVar[str] = "Cochran 1977, Sampling Techniques"

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.random(view.n)

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        score = self.score(view, rng)
        rows = top(score, n)
        return Proposal(rows, score[rows], probability=np.full(len(rows), len(rows) / view.n))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(3 * U)

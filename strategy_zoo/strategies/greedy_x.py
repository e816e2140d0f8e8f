"""Greedy sampling in the features (GSx): farthest row first, for regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategies.k_center import KCenter
from strategy_zoo.strategy import Kind, Strategy
from strategy_zoo.view import View

_RULE = KCenter()


@register
@dataclass(frozen=True, repr=False)
class GreedyX(Strategy):
    """Greedily the row whose embedding is farthest from everything labelled or picked before.

    This is the rule of k_center with the Euclidean metric, under the name that it has in regression: with nothing
    labelled the first row is the one closest to the mean, and the score is the distance at the time of the pick.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(embedding=[[0.0], [1.0], [5.0], [9.0]])
    >>> strategy_zoo.propose("greedy_x", view, 3, np.random.default_rng(0)).rows.tolist()
    [2, 0, 3]

    References
    ----------
    Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling (GSx; first in Yu and Kim 2010).
    """

    name: ClassVar[str] = "greedy_x"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("embedding",)
    uses: ClassVar[tuple[str, ...]] = ("seen_embedding",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U (L + n) D"
    reference: ClassVar[str] = "Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling"

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        return _RULE.propose(view, n, rng)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return _RULE.cost(U, L, C, D, n)

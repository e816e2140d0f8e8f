"""Greedy sampling in the target (GSy): the most unusual prediction first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategy_zoo._regression import counted_from_the_second, seen_values, to_nearest_value
from strategy_zoo.proposal import Proposal
from strategy_zoo.registry import register
from strategy_zoo.strategy import Kind, Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class GreedyY(Strategy):
    """Greedily the row whose prediction is farthest from all labels and from the predictions picked before.

    The score is that distance at the time of the pick, in the unit of the target. With nothing labelled (the authors
    choose the first rows by greedy_x) the first row is the one whose prediction is closest to the mean prediction. The
    authors retrain after each label; inside a batch the prediction of a pick stands for its label.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(prediction=[0.1, 2.0, 5.0, 5.2], seen_y=[0.0])
    >>> strategy_zoo.propose("greedy_y", view, 2, np.random.default_rng(0)).rows.tolist()
    [3, 1]

    References
    ----------
    Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling (GSy).
    """

    name: ClassVar[str] = "greedy_y"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("prediction",)
    uses: ClassVar[tuple[str, ...]] = ("seen_y",)
    kind: ClassVar[Kind] = "batch"
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U n + U log L"
    reference: ClassVar[str] = "Wu, Lin and Huang 2019, Active Learning for Regression Using Greedy Sampling"

    def propose(self, view: View, n: int, rng: np.random.Generator) -> Proposal:
        value, seen = field_of(view, "prediction"), seen_values(view)
        if seen is None:
            distance = np.full(len(value), np.inf)
            row = int(np.abs(value - value.mean()).argmin())
        else:
            distance = to_nearest_value(value, seen)
            row = int(distance.argmax())
        rows, reached, new = np.empty(n, np.int64), np.empty(n), np.empty(len(value))
        for i in range(n):
            rows[i], reached[i] = row, distance[row]
            np.abs(np.subtract(value, value[row], out=new), out=new)
            np.minimum(distance, new, out=distance)
            distance[row] = -1  # never again, even when only duplicates are left
            row = int(distance.argmax())
        return Proposal(rows, counted_from_the_second(reached, distance))

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (2 * n + 30 + 5 * np.log2(L + 2)) + 10 * L * np.log2(L + 2))

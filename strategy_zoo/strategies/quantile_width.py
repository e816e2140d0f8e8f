"""Quantile width: ask where the predicted interval is widest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo.errors import SpellingError, ViewError
from strategy_zoo.registry import register
from strategy_zoo.strategy import Strategy, field_of, literal
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class QuantileWidth(Strategy):
    """Width of the interval between the lowest and the highest predicted quantile, in the unit of the target.

    Parameters
    ----------
    relative : True or False. Whether to divide by the size of the prediction: the score is then w / (w + |m|), in
        [0, 1], with the width w and the middle quantile m (the mean of the two in the middle when their number is
        even). It rises with w / |m| and stays finite where m is zero; a row with w = m = 0 scores 0.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(quantiles=[[1.0, 2.0, 3.0], [10.0, 12.0, 14.0], [0.0, 0.5, 1.5]])
    >>> strategy_zoo.propose("quantile_width", view, 3, np.random.default_rng(0)).rows.tolist()
    [1, 0, 2]
    >>> strategy_zoo.propose("quantile_width(relative=True)", view, 3, np.random.default_rng(0)).rows.tolist()
    [2, 0, 1]

    References
    ----------
    Meinshausen 2006, Quantile Regression Forests (the width of the interval as a measure of how sure a prediction is).
    """

    name: ClassVar[str] = "quantile_width"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("quantiles",)
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U"
    reference: ClassVar[str] = "Meinshausen 2006, Quantile Regression Forests"

    relative: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.relative, bool | np.bool_):
            raise SpellingError(f"{self.name}: relative is {literal(self.relative)[:60]}, expected True or False")
        object.__setattr__(self, "relative", bool(self.relative))

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        quantiles = field_of(view, "quantiles")
        count = quantiles.shape[1]
        if count < 2:
            raise ViewError("quantiles has one column, expected at least two; pass the ends of an interval")
        width = quantiles[:, -1] - quantiles[:, 0]
        if not self.relative:
            return width
        size = np.abs((quantiles[:, (count - 1) // 2] + quantiles[:, count // 2]) / 2)
        size += width
        return np.divide(width, size, out=np.zeros(view.n), where=size > 0)

    def cost(self, U: int, L: int, C: int, D: int, n: int) -> float:
        return float(U * (14 if self.relative else 6))

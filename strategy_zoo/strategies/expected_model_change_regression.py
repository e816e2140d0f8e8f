"""Expected model change for regression (EMCM): ask where a label would move a linear model most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategy_zoo._grid import lengths
from strategy_zoo.registry import register
from strategy_zoo.strategy import Strategy, field_of
from strategy_zoo.view import View


@register
@dataclass(frozen=True, repr=False)
class ExpectedModelChangeRegression(Strategy):
    """Mean length of the gradient step that a linear model would make, with the committee's predictions as labels.

    The squared error of a linear model f at x with label y has the gradient (f(x) - y) x. The label is unknown, so each
    member of the committee (bootstrap models in the paper) gives one, and the score is mean |f_m(x) - f(x)| times |x|,
    in the unit of the target times that of the embedding. The embedding is taken as it is: append a column of ones when
    the model has an intercept, and centre it first when its origin means nothing.

    Examples
    --------
    >>> import strategy_zoo
    >>> view = strategy_zoo.View(
    ...     prediction=[1.0, 1.0], committee_prediction=[[2.0, 1.5], [0.0, 1.5]], embedding=[[3.0, 4.0], [6.0, 8.0]]
    ... )
    >>> answer = strategy_zoo.propose("expected_model_change_regression", view, 2, np.random.default_rng(0))
    >>> answer.rows.tolist(), answer.score.tolist()
    ([0, 1], [5.0, 5.0])

    References
    ----------
    Cai, Zhang and Zhou 2013, Maximizing Expected Model Change for Active Learning in Regression.
    """

    name: ClassVar[str] = "expected_model_change_regression"
    family: ClassVar[str] = "regression"
    needs: ClassVar[tuple[str, ...]] = ("prediction", "committee_prediction", "embedding")
    task: ClassVar[tuple[str, ...]] = ("regression",)
    growth: ClassVar[str] = "U (M + D)"
    reference: ClassVar[str] = (
        "Cai, Zhang and Zhou 2013, Maximizing Expected Model Change for Active Learning in Regression"
    )

    def score(self, view: View, rng: np.random.Generator) -> NDArray[np.float64]:
        prediction, members = field_of(view, "prediction"), field_of(view, "committee_prediction")
        out = np.zeros(view.n)
        for member in members:
            out += np.abs(member - prediction)
        out /= len(members)
        out *= np.sqrt(lengths(field_of(view, "embedding")))
        return out

    def cost(self, U: int, L: int, C: int, D: int, n: int, M: int = 5) -> float:
        return float(U * (3 * M + 1.5 * D + 10))
